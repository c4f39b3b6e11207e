#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

struct Quantised {
  std::vector<int8_t> y;
  std::vector<float> scales;
};

Quantised Quantize(Context& context, const std::vector<float>& x, int64_t rows, int64_t width) {
  Quantised result{std::vector<int8_t>(x.size(), 99),
                   std::vector<float>(static_cast<size_t>(rows))};
  QuantizeRows(context, {.x = ConstTensorView(x.data(), {rows, width}),
                         .y = TensorView(result.y.data(), {rows, width}),
                         .scales = TensorView(result.scales.data(), {rows})});
  return result;
}

std::vector<float> RandomFloats(int64_t count, uint64_t seed) {
  const Tensor values = RandomTensor({count}, seed);
  return {values.data<float>(), values.data<float>() + count};
}

TEST(QuantizeRows, TiesGoToTheEvenInteger) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    const std::vector<float> x{127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f};
    const Quantised got = Quantize(machine.context(), x, 1, 7);
    EXPECT_EQ(got.y, (std::vector<int8_t>{127, 0, 2, 2, 0, -2, -2})) << Name(isa);
  }
}

TEST(QuantizeRows, NonFiniteRowsGetScaleNaNAndOthersAreUntouched) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                         -std::numeric_limits<float>::infinity()};
    for (float value : bad) {
      for (size_t at : {0, 16, 36}) {
        std::vector<float> x = RandomFloats(3 * 37, 3);
        const Quantised clean = Quantize(machine.context(), x, 3, 37);
        x[37 + at] = value;
        const Quantised got = Quantize(machine.context(), x, 3, 37);
        EXPECT_TRUE(std::isnan(got.scales[1])) << Name(isa);
        EXPECT_EQ(got.scales[0], clean.scales[0]);
        EXPECT_EQ(got.scales[2], clean.scales[2]);
        EXPECT_EQ(std::memcmp(got.y.data(), clean.y.data(), 37), 0);
        EXPECT_EQ(std::memcmp(got.y.data() + 74, clean.y.data() + 74, 37), 0);
      }
    }
  }
}

TEST(QuantizeRows, ZeroAndVanishingRowsGetScaleZero) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    const std::vector<float> x{0.0f, -0.0f, 0.0f, 1e-38f, -1e-37f, 1e-40f, 2e-36f, 1.5e-36f, 0.0f};
    const Quantised got = Quantize(machine.context(), x, 3, 3);
    EXPECT_EQ(got.scales[0], 0.0f);
    EXPECT_EQ(got.scales[1], 0.0f);
    EXPECT_GT(got.scales[2], 0.0f);
    EXPECT_EQ(got.y, (std::vector<int8_t>{0, 0, 0, 0, 0, 0, 127, 95, 0})) << Name(isa);
  }
}

TEST(QuantizeRows, LargestFloatsDoNotOverflow) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    const float top = std::numeric_limits<float>::max();
    const Quantised got = Quantize(machine.context(), {top, -top, top / 2}, 1, 3);
    EXPECT_EQ(got.y, (std::vector<int8_t>{127, -127, 64})) << Name(isa);
  }
}

// Every bf16 and f16 bit pattern widens to its exact value and comes back unchanged.
template <typename Half>
void ExpectRoundTrip(Context& context) {
  std::vector<Half> halves;
  for (uint32_t bits = 0; bits < 0x10000u; ++bits) {
    halves.push_back(Half::FromBits(static_cast<uint16_t>(bits)));
  }
  std::vector<float> wide(halves.size());
  std::vector<Half> back(halves.size());
  const Shape shape{static_cast<int64_t>(halves.size())};
  Convert(context,
          {.x = ConstTensorView(halves.data(), shape), .y = TensorView(wide.data(), shape)});
  Convert(context, {.x = ConstTensorView(wide.data(), shape), .y = TensorView(back.data(), shape)});
  for (size_t i = 0; i < halves.size(); ++i) {
    const auto want = static_cast<float>(halves[i]);
    ASSERT_EQ(std::bit_cast<uint32_t>(wide[i]), std::bit_cast<uint32_t>(want)) << i;
    ASSERT_EQ(back[i].bits, Half(want).bits) << i;
  }
}

TEST(Convert, WidensEveryHalfAndComesBack) {
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa, 2);
    ExpectRoundTrip<BFloat16>(machine.context());
    ExpectRoundTrip<Float16>(machine.context());
  }
}

TEST(Convert, NarrowsToNearestEvenWithTails) {
  std::vector<float> x = RandomFloats(1000, 4);
  // Ties, overflow, subnormal halves, and what is not a number.
  for (float value :
       {1.00390625f, 1.01171875f, 65519.9f, 65520.0f, 1e30f, 5.9e-8f, 3e-8f, 2.9e-8f, 6.1e-5f, 0.0f,
        -0.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    x.push_back(value);
    x.push_back(-value);
  }
  for (float scale : {1e-3f, 1e-5f, 1e-7f, 1e4f}) {
    for (float value : RandomFloats(100, 5)) x.push_back(value * scale);
  }
  const Shape shape{static_cast<int64_t>(x.size())};
  for (InstructionSet isa : UsableInstructionSets()) {
    OpContext machine(isa);
    std::vector<Float16> half(x.size());
    std::vector<BFloat16> brain(x.size());
    Convert(machine.context(),
            {.x = ConstTensorView(x.data(), shape), .y = TensorView(half.data(), shape)});
    Convert(machine.context(),
            {.x = ConstTensorView(x.data(), shape), .y = TensorView(brain.data(), shape)});
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(half[i].bits, Float16(x[i]).bits) << Name(isa) << " " << x[i];
      ASSERT_EQ(brain[i].bits, BFloat16(x[i]).bits) << Name(isa) << " " << x[i];
    }
  }
}

TEST(Convert, RefusesDifferentShapes) {
  OpContext machine(BestInstructionSet());
  const Tensor x(DType::kF32, {2, 3});
  Tensor y(DType::kBf16, {3, 2});
  EXPECT_THROW(Convert(machine.context(), {.x = x, .y = y}), InternalError);
}

}  // namespace
}  // namespace tandem
