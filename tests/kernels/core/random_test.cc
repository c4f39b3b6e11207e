#include "kernels/core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace tandem {
namespace {

using Block = std::array<uint32_t, 4>;

// Known answers published with Random123 (Salmon et al., SC 2011).
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  constexpr uint32_t kOnes = 0xffffffffu;
  EXPECT_EQ(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Block{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(
      Philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
      (Block{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(RandomUniform, StaysInTheUnitIntervalAndAveragesOneHalf) {
  double sum = 0.0;
  constexpr int kDraws = 20000;
  for (uint64_t position = 0; position < kDraws; ++position) {
    const double u = RandomUniform({.seed = 7, .position = position});
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 4 * 0.2887 / std::sqrt(kDraws));
}

TEST(RandomUniform, DependsOnEveryFieldOfTheKey) {
  const RandomKey key{.seed = 1, .choice = 2, .position = 3};
  std::set<double> numbers = {RandomUniform(key)};
  for (RandomKey other :
       {RandomKey{.seed = 2, .choice = 2, .position = 3},
        RandomKey{.seed = 1ull << 32 | 1, .choice = 2, .position = 3},
        RandomKey{.seed = 1, .choice = 3, .position = 3},
        RandomKey{.seed = 1, .choice = 2, .position = 4},
        RandomKey{.seed = 1, .choice = 2, .position = 1ull << 32 | 3},
        RandomKey{.seed = 1, .choice = 2, .position = 3, .purpose = RandomPurpose::kShuffle}}) {
    EXPECT_TRUE(numbers.insert(RandomUniform(other)).second);
  }
  EXPECT_EQ(RandomUniform(key), RandomUniform(RandomKey(key)));
}

}  // namespace
}  // namespace tandem
