#include "kernels/activation.h"

#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

TEST(SiluMul, AgreesWithDoublePrecision) {
  for (const int64_t tokens : {0, 1, 3, 13}) {
    for (const int64_t width : {1, 8, 16, 172, 513}) {
      for (const DType dtype : {DType::kF32, DType::kBf16}) {
        const Tensor gate_up = NormalTensor({tokens, 2 * width}, 5, 4.0f);
        Tensor y(dtype, {tokens, width});
        OpContext context;
        SiluMul(context, {.gate_up = gate_up, .y = y});
        const std::vector<double> in = ToDoubles(gate_up);
        std::vector<double> want;
        for (int64_t token = 0; token < tokens; ++token) {
          const double* gate = in.data() + token * 2 * width;
          for (int64_t i = 0; i < width; ++i) {
            want.push_back(gate[i] / (1.0 + std::exp(-gate[i])) * gate[width + i]);
          }
        }
        ExpectClose(y, want, DescribeValues(tokens, width, Name(dtype)));
      }
    }
  }
}

TEST(SiluMul, IsTheSameBitsOnEveryInstructionSetAndThreadCount) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Tensor gate_up = NormalTensor({67, 2 * 173}, 6, 8.0f);
    SameEverywhere([&](Context& context) {
      Tensor y(dtype, {67, 173});
      SiluMul(context, {.gate_up = gate_up, .y = y});
      return y;
    });
  }
}

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

TEST(Add, AddsExactlyEverywhere) {
  for (const Shape& shape : {Shape{0, 3}, Shape{1}, Shape{7, 11}, Shape{100, 1000}}) {
    const Tensor x = NormalTensor(shape, 8), before = NormalTensor(shape, 9);
    const Tensor y = SameEverywhere([&](Context& context) {
      Tensor sum = before.Clone();
      Add(context, {.x = x, .y = sum});
      return sum;
    });
    for (int64_t i = 0; i < shape.num_elements(); ++i) {
      ASSERT_EQ(y.data<float>()[i], before.data<float>()[i] + x.data<float>()[i]) << i;
    }
  }
}

}  // namespace
}  // namespace tandem
