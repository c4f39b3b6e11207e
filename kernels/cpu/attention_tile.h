#pragma once
// A tile: a few rows of an item against one block of 64 keys - scores, online softmax, weighted sum
// of values. Included once per instruction set, with TANDEM_ISA naming the namespace.
//
// Keys of a page lie side by side, so a score is a lane and never a horizontal sum, and all rows of
// the tile share every load of K and V.
//
// Why the bits do not depend on the tile: a score is one accumulator over ascending dims; a column
// of the output is one accumulator over ascending keys; everything else is per row. A row's keys
// that not all rows of its tile see are added by AddRow, in the same order.

#include "kernels/cpu/attention_call.h"
#include "kernels/cpu/attention_lanes.h"
#include "kernels/cpu/kv_page_layout.h"

namespace tandem::cpu::TANDEM_ISA {

constexpr int64_t kBlockPages = kBlockKeys / kPageTokens;
constexpr float kMinusInfinity = -__builtin_inff();

TANDEM_INLINE int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }
TANDEM_INLINE int64_t Larger(int64_t a, int64_t b) { return a > b ? a : b; }

// The running softmax of each row of an item.
struct RowStates {
  float* maxima;  // [kItemRows]; -infinity: no key yet
  float* sums;    // [kItemRows, sums_width]: see AttentionCall

  explicit RowStates(float* floats) : maxima(floats), sums(floats + kItemRows) {}
};

template <class Cache>
struct Scratch {
  RowStates total, segment;
  float* scores;                         // [kMaxTileRows, kBlockKeys]
  float* block_sums;                     // [kMaxTileRows, 16]
  typename Cache::Coefficient* q;        // [kItemRows, head_dim]
  typename Cache::Coefficient* weights;  // [kMaxTileRows, kBlockKeys]: probabilities

  Scratch(const AttentionCall& call, float* floats)
      : total(floats),
        segment(floats + call.states_floats()),
        scores(floats + 2 * call.states_floats()),
        block_sums(scores + kMaxTileRows * kBlockKeys),
        q(reinterpret_cast<typename Cache::Coefficient*>(block_sums + kMaxTileRows * kLanes)),
        weights(q + kItemRows * call.head_dim) {}
};

// The pages of one block at the kv head: those that hold none of the item's keys are null. The next
// block's are asked for while this one is computed; where there is none, this one's stand again.
struct BlockPages {
  const uint32_t* keys[kBlockPages];
  const uint32_t* values[kBlockPages];
  const uint32_t* next_keys[kBlockPages];
  const uint32_t* next_values[kBlockPages];
};

TANDEM_INLINE void Prefetch(const uint32_t* line) { __builtin_prefetch(line, 0, 2); }

// The keys of the block that each row of a tile sees, [begin, end).
template <int R>
struct RowKeys {
  int64_t begin[R];
  int64_t end[R];
  int64_t min_begin = kBlockKeys, max_begin = 0;  // of rows that see any
  int64_t min_end = kBlockKeys, max_end = 0;      // of all rows
};

// Of the first `num_rows` rows; the others see none.
template <int R>
TANDEM_INLINE RowKeys<R> FindRowKeys(const AttentionCall& call, int64_t sequence, int64_t row,
                                     int64_t block_begin, int64_t num_rows = R) {
  RowKeys<R> keys;
  for (int64_t r = num_rows; r < R; ++r) keys.begin[r] = keys.end[r] = 0;
  for (int64_t r = 0; r < num_rows; ++r) {
    const int64_t position = call.Position(sequence, row + r);
    keys.begin[r] = Larger(call.FirstKey(position) - block_begin, 0);
    keys.end[r] = Smaller(position + 1 - block_begin, kBlockKeys);
    if (keys.begin[r] >= keys.end[r]) keys.begin[r] = keys.end[r] = 0;
    if (keys.end[r] > 0) keys.min_begin = Smaller(keys.min_begin, keys.begin[r]);
    keys.max_begin = Larger(keys.max_begin, keys.begin[r]);
    keys.min_end = Smaller(keys.min_end, keys.end[r]);
    keys.max_end = Larger(keys.max_end, keys.end[r]);
  }
  return keys;
}

// sum[r][n] += coefficient of row r * line n, for a tile of R rows and N vectors of words. Where
// there are registers for it all words are loaded first, so that a coefficient is broadcast once.
template <class Cache, int R, int N>
TANDEM_INLINE void MulAddTile(Lanes (&sum)[R][N], const typename Cache::Coefficient* coefficients,
                              int64_t row_stride, const uint32_t* const (&lines)[N]) {
  if constexpr (kParts == 1) {
    typename Cache::Words words[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) words[n] = Cache::Load(lines[n], ~0u);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        Cache::MulAdd(sum[r][n], coefficients + r * row_stride, words[n]);
      }
    }
  } else {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      const typename Cache::Words words = Cache::Load(lines[n], ~0u);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        Cache::MulAdd(sum[r][n], coefficients + r * row_stride, words);
      }
    }
  }
}

// Scores of R rows against P pages.
template <class Cache, int R, int P>
TANDEM_INLINE void ScorePages(const AttentionCall& call, const typename Cache::Coefficient* q,
                              const BlockPages& pages, int64_t page, float* scores) {
  Lanes sum[R][P] = {};
  const int64_t num_words = call.head_dim / Cache::kUnit;
  for (int64_t u = 0; u < num_words; ++u) {
    const uint32_t* lines[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      lines[p] = pages.keys[page + p] + u * kPageTokens;
      Prefetch(pages.next_keys[page + p] + u * kPageTokens);
    }
    MulAddTile<Cache, R, P>(sum, q + u * Cache::kUnit, call.head_dim, lines);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      StoreLanes(scores + r * kBlockKeys + p * kPageTokens, sum[r][p], call.scale);
    }
  }
}

template <class Cache, int R>
static void ScoreBlock(const AttentionCall& call, const typename Cache::Coefficient* q,
                       const BlockPages& pages, int64_t page, int64_t end_page, float* scores) {
  while (page < end_page) {
    float* at = scores + page * kPageTokens;
    if (4 * R <= kTileLanes && end_page - page >= 4) {
      ScorePages<Cache, R, 4>(call, q, pages, page, at);
      page += 4;
    } else if (2 * R <= kTileLanes && end_page - page >= 2) {
      ScorePages<Cache, R, 2>(call, q, pages, page, at);
      page += 2;
    } else {
      ScorePages<Cache, R, 1>(call, q, pages, page, at);
      page += 1;
    }
  }
}

// sums[r][column] += weight * value over the keys [unit, end_unit) * kUnit, for R rows and C
// vectors.
template <class Cache, int R, int C>
TANDEM_INLINE void AddColumns(const AttentionCall& call, const typename Cache::Coefficient* weights,
                              const BlockPages& pages, int64_t unit, int64_t end_unit,
                              int64_t column, float* sums) {
  constexpr int64_t kPageUnits = kPageTokens / Cache::kUnit;
  const int64_t width = call.sums_width();
  Lanes sum[R][C];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sum[r][c] = LoadLanes(sums + r * width + column + c * kLanes);
  }
  while (unit < end_unit) {
    const uint32_t* values = pages.values[unit / kPageUnits] + column;
    const uint32_t* next_values = pages.next_values[unit / kPageUnits] + column;
    const int64_t stop = Smaller(end_unit, unit / kPageUnits * kPageUnits + kPageUnits);
    for (; unit < stop; ++unit) {
      const uint32_t* line = values + unit % kPageUnits * call.head_dim;
      const uint32_t* next_line = next_values + unit % kPageUnits * call.head_dim;
      const uint32_t* lines[C];
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        lines[c] = line + c * kLanes;
        Prefetch(next_line + c * kLanes);
      }
      MulAddTile<Cache, R, C>(sum, weights + unit * Cache::kUnit, kBlockKeys, lines);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) StoreLanes(sums + r * width + column + c * kLanes, sum[r][c]);
  }
}

template <class Cache, int R>
static void AddRows(const AttentionCall& call, const typename Cache::Coefficient* weights,
                    const BlockPages& pages, int64_t unit, int64_t end_unit, float* sums) {
  int64_t column = 0;
  while (column < call.head_dim) {
    const int64_t num_left = (call.head_dim - column + kLanes - 1) / kLanes;
    if (4 * R <= kTileLanes && num_left >= 4) {
      AddColumns<Cache, R, 4>(call, weights, pages, unit, end_unit, column, sums);
      column += 4 * kLanes;
    } else if (2 * R <= kTileLanes && num_left >= 2) {
      AddColumns<Cache, R, 2>(call, weights, pages, unit, end_unit, column, sums);
      column += 2 * kLanes;
    } else {
      AddColumns<Cache, R, 1>(call, weights, pages, unit, end_unit, column, sums);
      column += kLanes;
    }
  }
}

// One row's keys [key, end_key), which may begin or end inside a word: the other half may be stale
// and is cleared (its probability is +0).
template <class Cache>
static void AddRow(const AttentionCall& call, const typename Cache::Coefficient* weights,
                   const BlockPages& pages, int64_t key, int64_t end_key, float* sums) {
  while (key < end_key) {
    const int64_t unit = key / Cache::kUnit;
    const int64_t next = Smaller((unit + 1) * Cache::kUnit, end_key);
    uint32_t mask = ~0u;
    if (key % Cache::kUnit != 0) mask = 0xffff0000u;
    if (next % Cache::kUnit != 0) mask = 0x0000ffffu;
    const uint32_t* line =
        pages.values[key / kPageTokens] + key % kPageTokens / Cache::kUnit * call.head_dim;
    for (int64_t column = 0; column < call.head_dim; column += kLanes) {
      Lanes sum = LoadLanes(sums + column);
      Cache::MulAdd(sum, weights + unit * Cache::kUnit, Cache::Load(line + column, mask));
      StoreLanes(sums + column, sum);
    }
    key = next;
  }
}

TANDEM_INLINE Part MaskScores(Part scores, int64_t first_key, int64_t begin, int64_t end) {
  PartInts key;
  for (int i = 0; i < kPartLanes; ++i) key[i] = i;
  key += static_cast<int32_t>(first_key);
  const PartInts seen = (key >= static_cast<int32_t>(begin)) & (key < static_cast<int32_t>(end));
  return seen != 0 ? scores : SplatPart(kMinusInfinity);
}

// Turns a row's scores into probabilities relative to its new maximum, and their sum by lanes.
// Returns old maximum - new maximum.
template <class Cache>
TANDEM_INLINE float WeighRow(const float* scores, int64_t begin, int64_t end, float& maximum,
                             typename Cache::Coefficient* weights, float* block_sum) {
  constexpr int kBlockParts = kBlockKeys / kPartLanes;
  Part s[kBlockParts];
#pragma GCC unroll 16
  for (int i = 0; i < kBlockParts; ++i) s[i] = LoadPart(scores + i * kPartLanes);
  if (begin > 0 || end < kBlockKeys) {
    for (int i = 0; i < kBlockParts; ++i) s[i] = MaskScores(s[i], i * kPartLanes, begin, end);
  }
  Part best[2] = {s[0], s[1]};
#pragma GCC unroll 16
  for (int i = 2; i < kBlockParts; ++i) best[i % 2] = s[i] > best[i % 2] ? s[i] : best[i % 2];
  const float largest = MaxLane(best[0] > best[1] ? best[0] : best[1]);
  const float old = maximum;
  const float shift = largest > old ? largest : old;
  Lanes sum = {};
#pragma GCC unroll 16
  for (int i = 0; i < kBlockParts; ++i) {
    const Part p = ExpOfNonPositive(s[i] - shift);
    sum.part[i % kParts] += p;
    Cache::StoreCoefficients(weights + i * kPartLanes, p);
  }
  StoreLanes(block_sum, sum);
  maximum = shift;
  return old - shift;
}

// The online softmax of R rows over one block: weights, and sums rescaled to the new maxima.
// `scratch` has the scores, and room for weights and block_sums.
template <class Cache, int R, class AnyScratch>
static void WeighRows(const AttentionCall& call, const AnyScratch& scratch, const RowKeys<R>& keys,
                      float* maxima, float* sums) {
  static_assert(R <= kPartLanes);
  float change[kPartLanes] = {};
  for (int r = 0; r < R; ++r) {
    if (keys.end[r] == 0) continue;
    change[r] =
        WeighRow<Cache>(scratch.scores + r * kBlockKeys, keys.begin[r], keys.end[r], maxima[r],
                        scratch.weights + r * kBlockKeys, scratch.block_sums + r * kLanes);
  }
  const Part rescale = ExpOfNonPositive(LoadPart(change));
  const int64_t width = call.sums_width();
  for (int r = 0; r < R; ++r) {
    if (keys.end[r] == 0) continue;
    float* row = sums + r * width;
    if (change[r] != 0.0f) {
      for (int64_t i = 0; i < width; i += kLanes) {
        StoreLanes(row + i, LoadLanes(row + i), rescale[r]);
      }
    }
    float* lanes = row + width - kLanes;
    Store(lanes, Load(lanes) + Load(scratch.block_sums + r * kLanes));
  }
}

template <class Cache, int R>
static void AttendTile(const AttentionCall& call, const Scratch<Cache>& scratch,
                       const BlockPages& pages, const AttentionItem& item, int64_t row,
                       int64_t block_begin) {
  const RowKeys<R> keys = FindRowKeys<R>(call, item.sequence, item.first_row + row, block_begin);
  if (keys.max_end == 0) return;
  float* sums = scratch.segment.sums + row * call.sums_width();
  ScoreBlock<Cache, R>(call, scratch.q + row * call.head_dim, pages, keys.min_begin / kPageTokens,
                       (keys.max_end + kPageTokens - 1) / kPageTokens, scratch.scores);
  WeighRows<Cache, R>(call, scratch, keys, scratch.segment.maxima + row, sums);

  // Whole words that every row sees go through the tile; what is left of a row before and after it,
  // alone.
  const int64_t unit = (keys.max_begin + Cache::kUnit - 1) / Cache::kUnit;
  const int64_t end_unit = Larger(keys.min_end / Cache::kUnit, unit);
  const int64_t shared_begin = unit * Cache::kUnit, shared_end = end_unit * Cache::kUnit;
  const auto add_alone = [&](int r, int64_t begin, int64_t end) {
    AddRow<Cache>(call, scratch.weights + r * kBlockKeys, pages, begin, end,
                  sums + r * call.sums_width());
  };
  for (int r = 0; r < R; ++r) add_alone(r, keys.begin[r], Smaller(keys.end[r], shared_begin));
  if (unit < end_unit) {
    AddRows<Cache, R>(call, scratch.weights, pages, unit, end_unit, sums);
  }
  for (int r = 0; r < R; ++r) add_alone(r, Larger(keys.begin[r], shared_end), keys.end[r]);
}

template <class Cache>
static void AttendRows(int num_rows, const AttentionCall& call, const Scratch<Cache>& scratch,
                       const BlockPages& pages, const AttentionItem& item, int64_t row,
                       int64_t block_begin) {
  switch (num_rows) {
    case 1:
      return AttendTile<Cache, 1>(call, scratch, pages, item, row, block_begin);
    case 2:
      return AttendTile<Cache, 2>(call, scratch, pages, item, row, block_begin);
    default:
      break;
  }
  if constexpr (kMaxTileRows >= 4) {
    if (num_rows == 3) return AttendTile<Cache, 3>(call, scratch, pages, item, row, block_begin);
    if (num_rows == 4) return AttendTile<Cache, 4>(call, scratch, pages, item, row, block_begin);
  }
  if constexpr (kMaxTileRows >= 8) {
    if (num_rows == 5) return AttendTile<Cache, 5>(call, scratch, pages, item, row, block_begin);
    if (num_rows == 6) return AttendTile<Cache, 6>(call, scratch, pages, item, row, block_begin);
    if (num_rows == 7) return AttendTile<Cache, 7>(call, scratch, pages, item, row, block_begin);
    if (num_rows == 8) return AttendTile<Cache, 8>(call, scratch, pages, item, row, block_begin);
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
