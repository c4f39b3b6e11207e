#include "trainer/data/packing.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/core/check.h"
#include "trainer/data/random_choices.h"

namespace tandem {
namespace {

struct OpenRow {
  int64_t index = 0;
  int64_t room = 0;  // tokens
};

// The oldest of them.
std::vector<OpenRow>::iterator FullestRow(std::vector<OpenRow>& open) {
  return std::min_element(open.begin(), open.end(),
                          [](const OpenRow& a, const OpenRow& b) { return a.room < b.room; });
}

// The row of each sample.
std::vector<int64_t> FirstFit(std::span<const int64_t> lengths, int64_t row_tokens) {
  std::vector<OpenRow> open;  // the oldest first
  std::vector<int64_t> rows;
  rows.reserve(lengths.size());
  int64_t num_rows = 0;
  for (const int64_t length : lengths) {
    auto row = std::find_if(open.begin(), open.end(), [length](const OpenRow& candidate) {
      return candidate.room >= length;
    });
    if (row == open.end()) {
      if (open.size() == kMaxOpenRows) open.erase(FullestRow(open));
      row = open.insert(open.end(), {.index = num_rows++, .room = row_tokens});
    }
    rows.push_back(row->index);
    row->room -= length;
    if (row->room == 0) open.erase(row);
  }
  return rows;
}

}  // namespace

PackedRows PackRows(std::span<const int64_t> order, std::span<const int64_t> lengths,
                    int64_t row_tokens, Packing packing) {
  CHECK(order.size() == lengths.size());
  for (const int64_t length : lengths) CHECK(length > 0 && length <= row_tokens, length);
  std::vector<int64_t> rows(order.size());
  std::iota(rows.begin(), rows.end(), int64_t{0});
  if (packing == Packing::kFirstFit) rows = FirstFit(lengths, row_tokens);
  PackedRows packed;
  packed.samples.resize(order.size());
  // A counting sort by row, which keeps the order inside of each.
  const int64_t num_rows = rows.empty() ? 0 : *std::max_element(rows.begin(), rows.end()) + 1;
  packed.row_begin.assign(static_cast<size_t>(num_rows) + 1, 0);
  for (const int64_t row : rows) ++packed.row_begin[static_cast<size_t>(row) + 1];
  std::partial_sum(packed.row_begin.begin(), packed.row_begin.end(), packed.row_begin.begin());
  std::vector<int64_t> next(packed.row_begin.begin(), packed.row_begin.end() - 1);
  for (size_t i = 0; i < order.size(); ++i) {
    packed.samples[static_cast<size_t>(next[static_cast<size_t>(rows[i])]++)] = order[i];
  }
  return packed;
}

std::vector<int64_t> ShuffledOrder(int64_t count, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto choice =
      static_cast<DataChoice>(static_cast<int64_t>(DataChoice::kFirstEpochOrder) + epoch);
  for (int64_t i = count - 1; i > 0; --i) {
    const uint64_t j = RandomBelow(static_cast<uint64_t>(i) + 1, DataRandomKey(seed, choice, i));
    std::swap(order[static_cast<size_t>(i)], order[j]);
  }
  return order;
}

}  // namespace tandem
