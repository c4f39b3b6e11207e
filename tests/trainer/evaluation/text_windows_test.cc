#include "trainer/evaluation/text_windows.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace tandem {
namespace {

constexpr TokenId kStart = 1000;

std::vector<TokenId> Ids(size_t count) {
  std::vector<TokenId> ids(count);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

TEST(TextWindows, AShortTextIsOneWindowBehindTheStart) {
  const std::vector<TokenId> ids = Ids(3);
  const TextWindows windows(ids, {.start = kStart, .context = 8, .stride = 7});
  ASSERT_EQ(windows.num_windows(), 1);
  EXPECT_EQ(windows.Window(0).ids, (std::vector<TokenId>{kStart, 0, 1, 2}));
  EXPECT_EQ(windows.Window(0).is_target, (std::vector<uint8_t>{0, 1, 1, 1}));
}

TEST(TextWindows, OverlappingOnesScoreOnlyWhatIsNew) {
  const std::vector<TokenId> ids = Ids(7);
  const TextWindows windows(ids, {.start = kStart, .context = 5, .stride = 2});
  ASSERT_EQ(windows.num_windows(), 3);
  EXPECT_EQ(windows.Window(1).ids, (std::vector<TokenId>{kStart, 2, 3, 4, 5}));
  EXPECT_EQ(windows.Window(1).is_target, (std::vector<uint8_t>{0, 0, 0, 1, 1}));
  EXPECT_EQ(windows.Window(2).ids, (std::vector<TokenId>{kStart, 4, 5, 6}));
  EXPECT_EQ(windows.Window(2).is_target, (std::vector<uint8_t>{0, 0, 0, 1}));
}

TEST(TextWindows, EveryTokenIsScoredOnceInAnyShape) {
  for (size_t count = 1; count < 40; ++count) {
    const std::vector<TokenId> ids = Ids(count);
    for (int64_t context = 2; context < 14; ++context) {
      for (int64_t stride = 1; stride < context; ++stride) {
        const TextWindows windows(ids, {.start = kStart, .context = context, .stride = stride});
        std::vector<TokenId> scored;
        for (int64_t w = 0; w < windows.num_windows(); ++w) {
          const TrainSample window = windows.Window(w);
          ASSERT_LE(std::ssize(window.ids), context);
          ASSERT_GT(window.NumTargets(), 0) << count << ' ' << context << ' ' << stride;
          for (size_t i = 1; i < window.ids.size(); ++i) {
            if (window.is_target[i] != 0) scored.push_back(window.ids[i]);
          }
        }
        ASSERT_EQ(scored, ids) << count << ' ' << context << ' ' << stride;
      }
    }
  }
}

}  // namespace
}  // namespace tandem
