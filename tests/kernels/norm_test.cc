#include "kernels/norm.h"

#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

struct NormCase {
  int64_t rows;
  int64_t width;
  DType y = DType::kF32;
  NormCast cast = NormCast::kBeforeWeight;
  bool with_delta = false;
};

std::string NameOf(const NormCase& c) {
  return DescribeValues(c.rows, "x", c.width, Name(c.y), "cast", static_cast<int>(c.cast), "delta",
                        c.with_delta);
}

std::vector<NormCase> AllCases() {
  std::vector<NormCase> cases;
  for (const int64_t rows : {0, 1, 3, 37}) {
    for (const int64_t width : {1, 7, 8, 16, 64, 172, 512, 513}) {
      for (const bool delta : {false, true}) {
        cases.push_back({rows, width, DType::kF32, NormCast::kBeforeWeight, delta});
        cases.push_back({rows, width, DType::kBf16, NormCast::kBeforeWeight, delta});
        cases.push_back({rows, width, DType::kBf16, NormCast::kAfterWeight, delta});
      }
    }
  }
  return cases;
}

struct Operands {
  Tensor x, delta, weight;
  explicit Operands(const NormCase& c)
      : x(NormalTensor({c.rows, c.width}, 1, 3.0f)),
        delta(NormalTensor({c.rows, c.width}, 2)),
        weight(NormalTensor({c.width}, 3)) {}
};

// In double, but for the roundings that the contract names.
std::vector<double> Reference(const NormCase& c, const Operands& in, float eps) {
  std::vector<double> x = ToDoubles(in.x), y(x.size());
  const std::vector<double> weight = ToDoubles(in.weight);
  for (size_t i = 0; c.with_delta && i < x.size(); ++i) {
    x[i] = static_cast<double>(in.x.data<float>()[i] + in.delta.data<float>()[i]);
  }
  for (int64_t row = 0; row < c.rows; ++row) {
    const auto width = static_cast<size_t>(c.width);
    const double* values = x.data() + row * c.width;
    double sum = 0.0;
    for (size_t i = 0; i < width; ++i) sum += values[i] * values[i];
    const double scale = 1.0 / std::sqrt(sum / static_cast<double>(c.width) + eps);
    for (size_t i = 0; i < width; ++i) {
      double n = values[i] * scale;
      if (c.y == DType::kBf16 && c.cast == NormCast::kBeforeWeight) {
        n = static_cast<float>(BFloat16(static_cast<float>(n)));
      }
      y[static_cast<size_t>(row) * width + i] = weight[i] * n;
    }
  }
  return y;
}

TEST(RmsNorm, AgreesWithDoublePrecision) {
  for (const NormCase& c : AllCases()) {
    Operands in(c);
    const std::vector<double> want = Reference(c, in, 1e-5f);
    Tensor y(c.y, {c.rows, c.width});
    OpContext context;
    RmsNorm(context, {.x = in.x,
                      .delta = c.with_delta ? ConstTensorView(in.delta) : ConstTensorView(),
                      .weight = in.weight,
                      .cast = c.cast,
                      .y = y});
    ExpectClose(y, want, NameOf(c));
  }
}

TEST(RmsNorm, IsTheSameBitsOnEveryInstructionSetAndThreadCount) {
  for (const NormCase& c : {NormCase{200, 512, DType::kBf16}, NormCase{301, 172, DType::kF32},
                            NormCase{70, 513, DType::kBf16, NormCast::kAfterWeight, true}}) {
    SameEverywhere([&](Context& context) {
      Operands in(c);
      Tensor y(c.y, {c.rows, c.width});
      RmsNorm(context, {.x = in.x,
                        .delta = c.with_delta ? ConstTensorView(in.delta) : ConstTensorView(),
                        .weight = in.weight,
                        .cast = c.cast,
                        .y = y});
      return y;
    });
  }
}

TEST(RmsNorm, ARowAloneIsTheRowInABatch) {
  Operands in({64, 172});
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
  Operands in({5, 37});
  const Tensor before = in.x.Clone();
  Tensor y(DType::kBf16, {5, 37});
  OpContext context;
  RmsNorm(context, {.x = in.x, .delta = in.delta, .weight = in.weight, .y = y});
  for (int64_t i = 0; i < 5 * 37; ++i) {
    ASSERT_EQ(in.x.data<float>()[i], before.data<float>()[i] + in.delta.data<float>()[i]) << i;
  }
}

TEST(RmsNorm, WorksInPlace) {
  Operands in({9, 100});
  Tensor y(DType::kF32, {9, 100});
  OpContext context;
  RmsNorm(context, {.x = in.x, .weight = in.weight, .y = y});
  RmsNorm(context, {.x = in.x, .weight = in.weight, .y = in.x});
  EXPECT_TRUE(SameBits(in.x, y));
}

TEST(RmsNorm, LeavesXAloneWithoutDelta) {
  Operands in({9, 100});
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
