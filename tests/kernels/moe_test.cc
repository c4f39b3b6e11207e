#include "kernels/moe.h"

#include "tests/kernels/row_ops.h"
#include "tests/support/ops/moe_ops.h"

namespace tandem {
namespace {

struct Routed {
  Tensor experts, weights;
};

Routed Route(Context& context, const RouteShape& c, ConstTensorView logits) {
  Routed routed{Tensor(DType::kI32, {c.tokens, c.top_k}), Tensor(DType::kF32, {c.tokens, c.top_k})};
  MoeRoute(context, {.logits = logits,
                     .score = c.score,
                     .renormalise = c.renormalise,
                     .experts = routed.experts,
                     .weights = routed.weights});
  return routed;
}

TEST(MoeRoute, TiesGoToTheLowerExpert) {
  const RouteShape c{1, 6, 4};
  Tensor logits(DType::kF32, {1, 6});
  const float values[6] = {1, 3, 2, 3, 2, 2};
  std::copy(values, values + 6, logits.data<float>());
  OpContext context;
  const Routed routed = Route(context, c, logits);
  const std::vector<int32_t> got(routed.experts.data<int32_t>(),
                                 routed.experts.data<int32_t>() + 4);
  EXPECT_EQ(got, (std::vector<int32_t>{1, 3, 2, 4}));
}

TEST(MoeRoute, NaNStillNamesDistinctExperts) {
  const RouteShape c{1, 4, 3};
  Tensor logits(DType::kF32, {1, 4});
  for (int i = 0; i < 4; ++i) logits.data<float>()[i] = std::nanf("");
  OpContext context;
  const Routed routed = Route(context, c, logits);
  const int32_t* experts = routed.experts.data<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(experts, experts + 3), (std::vector<int32_t>{0, 1, 2}));
  EXPECT_TRUE(std::isnan(routed.weights.data<float>()[0]));
}

struct Permuted {
  Tensor offsets, row_of, token_of;
};

Permuted Permute(const std::vector<int32_t>& experts, int64_t top_k, int64_t num_experts) {
  const auto count = static_cast<int64_t>(experts.size());
  Permuted result{Tensor(DType::kI32, {num_experts + 1}),
                  Tensor(DType::kI32, {count / top_k, top_k}), Tensor(DType::kI32, {count})};
  OpContext context;
  MoePermute(context, {.experts = Integers(experts, {count / top_k, top_k}),
                       .num_experts = num_experts,
                       .offsets = result.offsets,
                       .row_of = result.row_of,
                       .token_of = result.token_of});
  return result;
}

TEST(MoePermute, RefusesAnExpertThatDoesNotExist) {
  EXPECT_THROW(Permute({0, 4}, 1, 4), InternalError);
  EXPECT_THROW(Permute({0, -1}, 1, 4), InternalError);
}

template <typename T>
void ExpectGathered(Shape shape, Shape out_shape) {
  Tensor x(kDTypeOf<T>, shape);
  for (int64_t i = 0; i < x.size_bytes(); ++i) x.view().bytes()[i] = static_cast<std::byte>(i * 31);
  const std::vector<int32_t> rows = {4, 0, 4, 2, 1};
  Tensor y(kDTypeOf<T>, out_shape);
  OpContext context(BestInstructionSet(), 2);
  GatherRows(context, {.x = x, .rows = Integers(rows, {5}), .y = y});
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(SameBits(y.view().Rows(i, 1), x.view().Rows(rows[static_cast<size_t>(i)], 1)));
  }
}

TEST(GatherRows, CopiesRowsOfEveryType) {
  ExpectGathered<float>({5, 37}, {5, 37});
  ExpectGathered<BFloat16>({5, 13}, {5, 13});
  ExpectGathered<int8_t>({5, 7}, {5, 7});
  ExpectGathered<float>({5, 20000}, {5, 20000});
}

TEST(GatherRows, TakesAVectorAsRowsOfOne) { ExpectGathered<float>({5}, {5}); }

TEST(GatherRows, RefusesARowThatDoesNotExist) {
  Tensor x(DType::kF32, {2, 3}), y(DType::kF32, {1, 3});
  OpContext context;
  EXPECT_THROW(GatherRows(context, {.x = x, .rows = Integers({2}, {1}), .y = y}), InternalError);
}

}  // namespace
}  // namespace tandem
