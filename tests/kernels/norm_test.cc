#include "kernels/norm.h"

#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

struct Operands {
  Tensor x, delta, weight;
  Operands(int64_t rows, int64_t width)
      : x(NormalTensor({rows, width}, 1, 3.0f)),
        delta(NormalTensor({rows, width}, 2)),
        weight(NormalTensor({width}, 3)) {}
};

TEST(RmsNorm, ARowAloneIsTheRowInABatch) {
  Operands in(64, 172);
  Tensor together(DType::kF32, {64, 172}), alone(DType::kF32, {64, 172});
  OpContext context(BestInstructionSet(), 2);
  RmsNorm(context, {.x = in.x, .weight = in.weight, .y = together});
  for (int64_t row = 0; row < 64; ++row) {
    RmsNorm(context,
            {.x = in.x.view().Rows(row, 1), .weight = in.weight, .y = alone.view().Rows(row, 1)});
  }
  EXPECT_TRUE(SameBits(alone, together));
}

TEST(RmsNorm, AddsTheResidualIntoX) {
  Operands in(5, 37);
  const Tensor before = in.x.Clone();
  Tensor y(DType::kBf16, {5, 37});
  OpContext context;
  RmsNorm(context, {.x = in.x, .delta = in.delta, .weight = in.weight, .y = y});
  for (int64_t i = 0; i < 5 * 37; ++i) {
    ASSERT_EQ(in.x.data<float>()[i], before.data<float>()[i] + in.delta.data<float>()[i]) << i;
  }
}

TEST(RmsNorm, WorksInPlace) {
  Operands in(9, 100);
  Tensor y(DType::kF32, {9, 100});
  OpContext context;
  RmsNorm(context, {.x = in.x, .weight = in.weight, .y = y});
  RmsNorm(context, {.x = in.x, .weight = in.weight, .y = in.x});
  EXPECT_TRUE(SameBits(in.x, y));
}

TEST(RmsNorm, LeavesXAloneWithoutDelta) {
  Operands in(9, 100);
  const Tensor before = in.x.Clone();
  Tensor y(DType::kF32, {9, 100});
  OpContext context;
  RmsNorm(context, {.x = in.x, .weight = in.weight, .y = y});
  EXPECT_TRUE(SameBits(in.x, before));
}

TEST(RmsNorm, EpsilonKeepsAZeroRowFinite) {
  Tensor x(DType::kF32, {1, 20}), weight = NormalTensor({20}, 4), y(DType::kF32, {1, 20});
  OpContext context;
  RmsNorm(context, {.x = x, .weight = weight, .y = y});
  for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(y.data<float>()[i], 0.0f);
}

TEST(RmsNorm, RefusesShapesThatDoNotMatch) {
  Tensor x(DType::kF32, {2, 8}), weight(DType::kF32, {7}), y(DType::kF32, {2, 8});
  OpContext context;
  EXPECT_THROW(RmsNorm(context, {.x = x, .weight = weight, .y = y}), InternalError);
}

}  // namespace
}  // namespace tandem
