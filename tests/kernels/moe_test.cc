#include "kernels/moe.h"

#include <numeric>

#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

struct Routed {
  Tensor experts, weights;
};

struct RouteCase {
  int64_t tokens;
  int64_t num_experts;
  int64_t top_k;
  MoeScore score = MoeScore::kSoftmax;
  bool renormalise = true;
};

Routed Route(Context& context, const RouteCase& c, ConstTensorView logits) {
  Routed routed{Tensor(DType::kI32, {c.tokens, c.top_k}), Tensor(DType::kF32, {c.tokens, c.top_k})};
  MoeRoute(context, {.logits = logits,
                     .score = c.score,
                     .renormalise = c.renormalise,
                     .experts = routed.experts,
                     .weights = routed.weights});
  return routed;
}

std::vector<double> ScoresOf(const RouteCase& c, const double* logits) {
  std::vector<double> scores(logits, logits + c.num_experts);
  const double max = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (double& score : scores) {
    score = c.score == MoeScore::kSigmoid ? 1 / (1 + std::exp(-score)) : std::exp(score - max);
    sum += score;
  }
  for (double& score : scores) score /= c.score == MoeScore::kSigmoid ? 1.0 : sum;
  return scores;
}

void ExpectRouted(const RouteCase& c, ConstTensorView logits, const Routed& routed) {
  const std::vector<double> in = ToDoubles(logits);
  std::vector<double> want_weights;
  for (int64_t token = 0; token < c.tokens; ++token) {
    const std::vector<double> scores = ScoresOf(c, in.data() + token * c.num_experts);
    std::vector<int32_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
    double sum = 1e-20;
    for (int64_t k = 0; k < c.top_k; ++k) {
      const int32_t expert = order[static_cast<size_t>(k)];
      ASSERT_EQ(routed.experts.data<int32_t>()[token * c.top_k + k], expert) << token;
      sum += scores[static_cast<size_t>(expert)];
    }
    for (int64_t k = 0; k < c.top_k; ++k) {
      const double score = scores[static_cast<size_t>(order[static_cast<size_t>(k)])];
      want_weights.push_back(c.renormalise ? score / sum : score);
    }
  }
  ExpectClose(routed.weights, want_weights, DescribeValues(c.tokens, c.num_experts, c.top_k));
}

TEST(MoeRoute, AgreesWithDoublePrecision) {
  for (const MoeScore score : {MoeScore::kSoftmax, MoeScore::kSigmoid}) {
    for (const bool renormalise : {true, false}) {
      for (const RouteCase& shape :
           {RouteCase{0, 4, 1}, RouteCase{1, 1, 1}, RouteCase{13, 4, 1}, RouteCase{13, 4, 4},
            RouteCase{7, 17, 3}, RouteCase{5, 128, 8}, RouteCase{2, 1000, 31}}) {
        const RouteCase c{shape.tokens, shape.num_experts, shape.top_k, score, renormalise};
        const Tensor logits = NormalTensor({c.tokens, c.num_experts}, 21, 2.0f);
        OpContext context;
        ExpectRouted(c, logits, Route(context, c, logits));
      }
    }
  }
}

TEST(MoeRoute, IsTheSameBitsOnEveryInstructionSetAndThreadCount) {
  const RouteCase c{700, 17, 4};
  const Tensor logits = NormalTensor({c.tokens, c.num_experts}, 22, 2.0f);
  SameEverywhere([&](Context& context) { return Route(context, c, logits).weights; });
  SameEverywhere([&](Context& context) { return Route(context, c, logits).experts; });
}

TEST(MoeRoute, TiesGoToTheLowerExpert) {
  const RouteCase c{1, 6, 4};
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
  const RouteCase c{1, 4, 3};
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

TEST(MoePermute, GroupsRowsByExpertInTokenOrder) {
  std::mt19937 generator(23);
  for (const int64_t tokens : {0, 1, 5, 101}) {
    for (const int64_t num_experts : {1, 4, 60}) {
      const int64_t top_k = std::min<int64_t>(num_experts, 3);
      std::vector<int32_t> experts;
      for (int64_t i = 0; i < tokens * top_k; ++i) {
        experts.push_back(static_cast<int32_t>(generator() % static_cast<uint64_t>(num_experts)));
      }
      Permuted got = Permute(experts, top_k, num_experts);
      const int32_t* offsets = got.offsets.data<int32_t>();
      const int32_t* token_of = got.token_of.data<int32_t>();
      ASSERT_EQ(offsets[0], 0);
      ASSERT_EQ(offsets[num_experts], tokens * top_k);
      std::vector<bool> used(experts.size(), false);
      for (size_t i = 0; i < experts.size(); ++i) {
        const int32_t row = got.row_of.data<int32_t>()[i];
        ASSERT_GE(row, offsets[experts[i]]);
        ASSERT_LT(row, offsets[experts[i] + 1]);
        ASSERT_FALSE(used[static_cast<size_t>(row)]);
        used[static_cast<size_t>(row)] = true;
        ASSERT_EQ(token_of[row], static_cast<int32_t>(static_cast<int64_t>(i) / top_k));
      }
      for (int64_t e = 0; e < num_experts; ++e) {
        ASSERT_TRUE(std::is_sorted(token_of + offsets[e], token_of + offsets[e + 1]));
      }
    }
  }
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

struct CombineCase {
  int64_t tokens, top_k, width;
  bool shared;
};

TEST(MoeCombine, SumsInTheOrderOfChoiceWithSharedLast) {
  for (const CombineCase& c : {CombineCase{0, 2, 8, true}, CombineCase{1, 1, 1, false},
                               CombineCase{9, 3, 37, true}, CombineCase{120, 2, 172, false}}) {
    const int64_t num_rows = c.tokens * c.top_k;
    const Tensor y_rows = NormalTensor({num_rows, c.width}, 31);
    const Tensor weights = NormalTensor({c.tokens, c.top_k}, 32);
    const Tensor shared = NormalTensor({c.tokens, c.width}, 33);
    const Tensor before = NormalTensor({c.tokens, c.width}, 34);
    std::vector<int32_t> order(static_cast<size_t>(num_rows));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(35));
    const Tensor row_of = Integers(order, {c.tokens, c.top_k});
    const Tensor y = SameEverywhere([&](Context& context) {
      Tensor sum = before.Clone();
      MoeCombine(context, {.y_rows = y_rows,
                           .row_of = row_of,
                           .weights = weights,
                           .shared = c.shared ? ConstTensorView(shared) : ConstTensorView(),
                           .y = sum});
      return sum;
    });
    for (int64_t i = 0; i < c.tokens * c.width; ++i) {
      const int64_t token = i / c.width;
      float sum = 0.0f;  // the very order of the contract: exact equality
      for (int64_t k = 0; k < c.top_k; ++k) {
        const int32_t row = order[static_cast<size_t>(token * c.top_k + k)];
        const float term = weights.data<float>()[token * c.top_k + k] *
                           y_rows.data<float>()[row * c.width + i % c.width];
        sum = k == 0 ? term : sum + term;
      }
      if (c.shared) sum = sum + shared.data<float>()[i];
      ASSERT_EQ(y.data<float>()[i], before.data<float>()[i] + sum) << i;
    }
  }
}

}  // namespace
}  // namespace tandem
