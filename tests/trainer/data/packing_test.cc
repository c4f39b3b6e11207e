#include "trainer/data/packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "trainer/data/random_choices.h"

namespace tandem {
namespace {

using Rows = std::vector<std::vector<int64_t>>;

Rows RowsOf(const PackedRows& packed) {
  Rows rows;
  for (int64_t row = 0; row < packed.num_rows(); ++row) {
    const auto begin = packed.samples.begin();
    rows.emplace_back(begin + packed.row_begin[static_cast<size_t>(row)],
                      begin + packed.row_begin[static_cast<size_t>(row) + 1]);
  }
  return rows;
}

Rows Pack(const std::vector<int64_t>& lengths, int64_t row_tokens,
          Packing packing = Packing::kFirstFit) {
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  return RowsOf(PackRows(order, lengths, row_tokens, packing));
}

TEST(Packing, PutsASampleIntoTheFirstRowWithRoom) {
  EXPECT_EQ(Pack({6, 5, 4, 3, 2, 10}, 10), (Rows{{0, 2}, {1, 3, 4}, {5}}));
  EXPECT_EQ(Pack({10, 10}, 10), (Rows{{0}, {1}}));
  EXPECT_EQ(Pack({}, 10), Rows{});
}

TEST(Packing, NoneIsOneSampleARow) {
  EXPECT_EQ(Pack({1, 1, 1}, 10, Packing::kNone), (Rows{{0}, {1}, {2}}));
}

TEST(Packing, KeepsTheGivenNumbersOfSamples) {
  EXPECT_EQ(RowsOf(PackRows(std::vector<int64_t>{7, 3, 5}, std::vector<int64_t>{5, 6, 5}, 10,
                            Packing::kFirstFit)),
            (Rows{{7, 5}, {3}}));
}

TEST(Packing, ClosesTheFullestOfTooManyOpenRows) {
  std::vector<int64_t> lengths(kMaxOpenRows, 6);
  lengths[2] = 7;
  lengths.push_back(6);  // opens a row, and closes row 2
  lengths.insert(lengths.end(), {4, 3});
  const auto last = std::ssize(lengths) - 1;
  const Rows rows = Pack(lengths, 10);
  EXPECT_EQ(rows.size(), kMaxOpenRows + 1);
  EXPECT_EQ(rows[0], (std::vector<int64_t>{0, last - 1}));
  EXPECT_EQ(rows[1], (std::vector<int64_t>{1, last}));
  EXPECT_EQ(rows[2], std::vector<int64_t>{2});
}

TEST(Packing, FillsRowsOfRandomSamplesWithEachOnce) {
  constexpr int64_t kRowTokens = 512;
  std::vector<int64_t> lengths;
  for (int i = 0; i < 20000; ++i) {
    lengths.push_back(
        1 + static_cast<int64_t>(RandomBelow(400, {.position = static_cast<uint64_t>(i)})));
  }
  const Rows rows = Pack(lengths, kRowTokens);
  std::vector<int64_t> seen;
  int64_t num_tokens = 0;
  for (const auto& row : rows) {
    int64_t filled = 0;
    for (const int64_t sample : row) filled += lengths[static_cast<size_t>(sample)];
    EXPECT_LE(filled, kRowTokens);
    num_tokens += filled;
    seen.insert(seen.end(), row.begin(), row.end());
  }
  EXPECT_GT(static_cast<double>(num_tokens),
            0.97 * static_cast<double>(std::ssize(rows) * kRowTokens));
  std::sort(seen.begin(), seen.end());
  std::vector<int64_t> all(lengths.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  EXPECT_EQ(seen, all);
}

TEST(ShuffledOrder, IsAnotherPermutationForEachSeedAndEpoch) {
  const auto first = ShuffledOrder(1000, 1, 0);
  EXPECT_EQ(first, ShuffledOrder(1000, 1, 0));
  EXPECT_NE(first, ShuffledOrder(1000, 1, 1));
  EXPECT_NE(first, ShuffledOrder(1000, 2, 0));
  auto sorted = first;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted.front(), 0);
  EXPECT_EQ(sorted.back(), 999);
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
}

// A checkpoint's position means the same tomorrow. The expected order is from Philox in Python.
TEST(ShuffledOrder, DoesNotChangeBetweenVersions) {
  EXPECT_EQ(ShuffledOrder(10, 42, 3), (std::vector<int64_t>{0, 3, 4, 8, 7, 6, 1, 5, 9, 2}));
}

TEST(ShuffledOrder, PutsEveryNumberEverywhereAboutAsOften) {
  std::vector<int> counts(25);
  for (int64_t epoch = 0; epoch < 5000; ++epoch) {
    const auto order = ShuffledOrder(5, 9, epoch);
    for (size_t i = 0; i < 5; ++i) ++counts[i * 5 + static_cast<size_t>(order[i])];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 130);  // 4.6 standard deviations
}

}  // namespace
}  // namespace tandem
