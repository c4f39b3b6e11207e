#include "kernels/core/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace tandem {
namespace {

// The value of a 16-bit float by its definition, in double.
double ValueOf(uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

template <typename Half>
void ExpectAllPatternsSurvive(int exponent_bits) {
  for (uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<uint16_t>(pattern);
    const auto value = static_cast<float>(Half::FromBits(bits));
    const double want = ValueOf(bits, exponent_bits);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(value)) << pattern;
      ASSERT_TRUE(std::isnan(static_cast<float>(Half(value)))) << pattern;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), want) << pattern;
    ASSERT_EQ(std::signbit(value), std::signbit(want)) << pattern;
    ASSERT_EQ(Half(value).bits, bits) << pattern;
  }
}

TEST(BFloat16, EveryPatternConvertsExactlyAndBack) { ExpectAllPatternsSurvive<BFloat16>(8); }
TEST(Float16, EveryPatternConvertsExactlyAndBack) { ExpectAllPatternsSurvive<Float16>(5); }

// Half way between neighbours the even pattern wins; a float step to either side decides otherwise.
template <typename Half>
void ExpectRoundingBetweenNeighbours(uint16_t infinity) {
  for (uint16_t low = 0; low + 1 < infinity; ++low) {
    const auto high = static_cast<uint16_t>(low + 1);
    const double middle = (static_cast<double>(static_cast<float>(Half::FromBits(low))) +
                           static_cast<double>(static_cast<float>(Half::FromBits(high)))) /
                          2;
    const auto tie = static_cast<float>(middle);
    if (static_cast<double>(tie) != middle) continue;  // below the smallest float
    const auto even = static_cast<uint16_t>(low % 2 == 0 ? low : high);
    ASSERT_EQ(Half(tie).bits, even) << low;
    ASSERT_EQ(Half(std::nextafter(tie, 0.0f)).bits, low) << low;
    ASSERT_EQ(Half(std::nextafter(tie, std::numeric_limits<float>::infinity())).bits, high) << low;
    ASSERT_EQ(Half(-tie).bits, even | 0x8000) << low;
  }
}

TEST(BFloat16, RoundsTiesToEven) { ExpectRoundingBetweenNeighbours<BFloat16>(0x7f80); }
TEST(Float16, RoundsTiesToEven) { ExpectRoundingBetweenNeighbours<Float16>(0x7c00); }

TEST(BFloat16, OverflowsToInfinityAndKeepsNaN) {
  EXPECT_EQ(BFloat16(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_EQ(BFloat16(-std::numeric_limits<float>::infinity()).bits, 0xff80);
  // A NaN whose payload sits in the low half only must not become infinity.
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(0xffffffffu)))));
}

TEST(Float16, OverflowsToInfinityAndKeepsNaN) {
  EXPECT_EQ(Float16(65504.0f).bits, 0x7bff);
  EXPECT_EQ(Float16(65519.99f).bits, 0x7bff);
  EXPECT_EQ(Float16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(Float16(-1e30f).bits, 0xfc00);
  EXPECT_EQ(Float16(std::ldexp(1.0f, -25)).bits, 0);  // a tie between 0 and the smallest
  EXPECT_TRUE(std::isnan(static_cast<float>(Float16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(DType, SizesAndNames) {
  EXPECT_EQ(SizeOf(DType::kF32), 4);
  EXPECT_EQ(SizeOf(DType::kBf16), 2);
  EXPECT_EQ(SizeOf(DType::kF16), 2);
  EXPECT_EQ(SizeOf(DType::kI8), 1);
  EXPECT_EQ(SizeOf(DType::kI64), 8);
  EXPECT_EQ(Name(DType::kBf16), "bf16");
  EXPECT_EQ(kDTypeOf<Float16>, DType::kF16);
}

}  // namespace
}  // namespace tandem
