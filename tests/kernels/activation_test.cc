#include "kernels/activation.h"

#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

TEST(SiluMul, ARowAloneIsTheRowInABatch) {
  const Tensor gate_up = NormalTensor({40, 2 * 1408}, 7);
  Tensor together(DType::kBf16, {40, 1408}), alone(DType::kBf16, {40, 1408});
  OpContext context(BestInstructionSet(), 2);
  SiluMul(context, {.gate_up = gate_up, .y = together});
  for (int64_t row = 0; row < 40; ++row) {
    SiluMul(context, {.gate_up = gate_up.view().Rows(row, 1), .y = alone.view().Rows(row, 1)});
  }
  EXPECT_TRUE(SameBits(alone, together));
}

TEST(SiluMul, IsFiniteAtExtremeGatesAndPassesNaN) {
  Tensor gate_up(DType::kF32, {1, 8}), y(DType::kF32, {1, 4});
  const float gates[4] = {-200.0f, 200.0f, 0.0f, std::nanf("")};
  for (int64_t i = 0; i < 4; ++i) {
    gate_up.data<float>()[i] = gates[i];
    gate_up.data<float>()[4 + i] = 1.0f;
  }
  OpContext context;
  SiluMul(context, {.gate_up = gate_up, .y = y});
  EXPECT_EQ(y.data<float>()[0], 0.0f);
  EXPECT_EQ(y.data<float>()[1], 200.0f);
  EXPECT_EQ(y.data<float>()[2], 0.0f);
  EXPECT_TRUE(std::isnan(y.data<float>()[3]));
}

TEST(SiluMul, RefusesAWidthThatIsNotHalf) {
  Tensor gate_up(DType::kF32, {2, 9}), y(DType::kF32, {2, 4});
  OpContext context;
  EXPECT_THROW(SiluMul(context, {.gate_up = gate_up, .y = y}), InternalError);
}

}  // namespace
}  // namespace tandem
