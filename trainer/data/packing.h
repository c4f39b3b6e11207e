#pragma once
// Which samples share a row. Whole samples only: nothing is cropped, and samples of a row do not
// see each other. Pure functions; the result depends on the order and the lengths alone.

#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

enum class Packing : uint8_t {
  // A sample goes to the first of the open rows that has room for it, else to a new one. Of more
  // than kMaxOpenRows the fullest is closed; so few tokens of a row stay empty, and a sample stays
  // near its place in the shuffled order.
  kFirstFit,
  kNone,  // one sample a row, as in published runs that pad
};

inline constexpr size_t kMaxOpenRows = 64;

// Row r holds samples[row_begin[r]] to samples[row_begin[r + 1]], in the order in which they came.
struct PackedRows {
  std::vector<int64_t> samples;    // [samples]
  std::vector<int64_t> row_begin;  // [rows + 1]
  int64_t num_rows() const { return static_cast<int64_t>(row_begin.size()) - 1; }
};

// `lengths[i]` is the number of tokens of sample `order[i]`, at most row_tokens.
PackedRows PackRows(std::span<const int64_t> order, std::span<const int64_t> lengths,
                    int64_t row_tokens, Packing packing);

// The numbers 0 to count - 1 in the order of an epoch: a Fisher-Yates shuffle of (seed, epoch).
std::vector<int64_t> ShuffledOrder(int64_t count, uint64_t seed, int64_t epoch);

}  // namespace tandem
