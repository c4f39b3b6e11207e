#include "trainer/data/data_report.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

Pairs PairsOf(const std::vector<DuplicateLine>& lines) {
  Pairs pairs;
  for (const DuplicateLine& line : lines) pairs.emplace_back(line.line, line.first_line);
  return pairs;
}

TEST(DataReport, FindsDuplicatesWithTheLineOfTheFirst) {
  EXPECT_EQ(PairsOf(FindDuplicates({{9, 1}, {5, 2}, {9, 3}, {7, 4}, {5, 5}, {9, 6}})),
            (Pairs{{3, 1}, {5, 2}, {6, 1}}));
  EXPECT_TRUE(FindDuplicates({}).empty());
}

TEST(DataReport, FindsWhatTwoSetsShare) {
  EXPECT_EQ(PairsOf(FindShared({{9, 1}, {5, 2}, {9, 3}}, {{4, 1}, {9, 2}, {9, 8}, {5, 9}})),
            (Pairs{{2, 1}, {8, 1}, {9, 2}}));
  EXPECT_TRUE(FindShared({}, {{1, 1}}).empty());
}

DataReport Example() {
  return {.path = "a.jsonl",
          .counts = {.num_lines = 2000,
                     .num_blank = 1,
                     .num_documents = 1995,
                     .num_bad = 2,
                     .num_duplicates = 1,
                     .num_cut = 1,
                     .num_cut_tokens = 12},
          .num_samples = 1995,
          .num_tokens = 54321,
          .num_targets = 1234,
          .bad_lines = {{3, "is broken"}, {7, "is empty"}},
          .duplicates = {{9, 1}}};
}

TEST(DataReport, SaysEverythingInOneLine) {
  EXPECT_EQ(Summary(Example()),
            "1,995 documents, 1,995 samples, 54,321 tokens (1,234 learned); 1 document cut by 12 "
            "tokens; 1 blank skipped; 1 duplicate; 2 bad lines");
}

TEST(DataReport, ListsEveryProblemWithItsLine) {
  EXPECT_EQ(ListProblems(Example()),
            "a.jsonl:3: is broken\na.jsonl:7: is empty\na.jsonl:9: the same as line 1\n");
  EXPECT_EQ(ListProblems(Example(), 1), "a.jsonl:3: is broken\nand 2 more\n");
}

}  // namespace
}  // namespace tandem
