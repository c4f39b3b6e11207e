#include "kernels/core/instruction_set.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tandem {
namespace {

TEST(InstructionSet, NamesParseBack) {
  for (const auto isa : {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512,
                         InstructionSet::kAvx512Bf16, InstructionSet::kAmx}) {
    EXPECT_EQ(ParseInstructionSet(Name(isa)), isa) << Name(isa);
  }
}

TEST(InstructionSet, RefusesNamesItDoesNotKnow) {
  EXPECT_EQ(ParseInstructionSet(""), std::nullopt);
  EXPECT_EQ(ParseInstructionSet("AVX2"), std::nullopt);
  EXPECT_EQ(ParseInstructionSet("avx512_"), std::nullopt);
}

TEST(InstructionSet, UsableOnesAscendFromPortableToTheBest) {
  const auto usable = UsableInstructionSets();
  ASSERT_FALSE(usable.empty());
  EXPECT_EQ(usable.front(), InstructionSet::kPortable);
  EXPECT_EQ(usable.back(), BestInstructionSet());
  EXPECT_TRUE(std::is_sorted(usable.begin(), usable.end()));
}

TEST(InstructionSet, BestDoesNotChange) { EXPECT_EQ(BestInstructionSet(), BestInstructionSet()); }

}  // namespace
}  // namespace tandem
