#include "engine/base/near_match.h"

#include <gtest/gtest.h>

#include <vector>

namespace tandem {
namespace {

const std::vector<std::string> kNames{"port", "host", "max-num-seqs", "model"};

TEST(NearMatch, FindsTyposSwapsAndUnderscores) {
  EXPECT_EQ(NearMatch("prot", kNames), "port");
  EXPECT_EQ(NearMatch("max_num_seqs", kNames), "max-num-seqs");
  EXPECT_EQ(NearMatch("MAX-NUM-SEQ", kNames), "max-num-seqs");
  EXPECT_EQ(DidYouMean("modle", kNames, "--"), "; did you mean --model?");
}

TEST(NearMatch, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(NearMatch("temperature", kNames), std::nullopt);
  EXPECT_EQ(NearMatch("", kNames), std::nullopt);
  EXPECT_EQ(NearMatch(std::string(1000, 'p'), kNames), std::nullopt);
  EXPECT_EQ(DidYouMean("zzz", kNames), "");
}

}  // namespace
}  // namespace tandem
