#pragma once
// The attention of one piece: up to kItemRows rows of a sequence and kv head over whole segments of
// keys. Included once per instruction set, with TANDEM_ISA naming the namespace.
//
// Why it is fast: a block's 64 keys (16 KiB of K and V at 64 dims in bf16) stay in the L1 cache
// while all rows of the item pass over them, in tiles of a few rows that share every load of K and
// V. Keys of a page lie side by side, so a score is a lane and never a horizontal sum.
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

static int64_t ScratchFloats(const AttentionCall& call) {
  return 2 * call.states_floats() + kMaxTileRows * (2 * kBlockKeys + kLanes) +
         kItemRows * call.head_dim;
}

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

template <int R>
TANDEM_INLINE RowKeys<R> FindRowKeys(const AttentionCall& call, int64_t sequence, int64_t row,
                                     int64_t block_begin) {
  RowKeys<R> keys;
  for (int r = 0; r < R; ++r) {
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

TANDEM_INLINE F32x16 MaskScores(F32x16 scores, int64_t first_key, int64_t begin, int64_t end) {
  const I32x16 seen = FirstLanes(end - first_key) & ~FirstLanes(begin - first_key);
  return Select(seen, scores, Splat(kMinusInfinity));
}

// Turns a row's scores into probabilities relative to its new maximum, and their sum by lanes.
// Returns old maximum - new maximum.
template <class Cache>
TANDEM_INLINE float WeighRow(const float* scores, int64_t begin, int64_t end, float& maximum,
                             typename Cache::Coefficient* weights, float* block_sum) {
  F32x16 s[kBlockPages];
#pragma GCC unroll 4
  for (int i = 0; i < kBlockPages; ++i) s[i] = Load(scores + i * kLanes);
  if (begin > 0 || end < kBlockKeys) {
    for (int i = 0; i < kBlockPages; ++i) s[i] = MaskScores(s[i], i * kLanes, begin, end);
  }
  const float best = MaxLanes(Max(Max(s[0], s[1]), Max(s[2], s[3])));
  const float old = maximum;
  const float shift = best > old ? best : old;
  F32x16 sum(0.0f);
#pragma GCC unroll 4
  for (int i = 0; i < kBlockPages; ++i) {
    const F32x16 p = Exp(s[i] - shift);
    sum += p;
    Cache::StoreCoefficients(weights + i * kLanes, p);
  }
  Store(block_sum, sum);
  maximum = shift;
  return old - shift;
}

// The online softmax of R rows over one block: weights, and sums rescaled to the new maxima.
template <class Cache, int R>
static void WeighRows(const AttentionCall& call, const Scratch<Cache>& scratch,
                      const RowKeys<R>& keys, float* maxima, float* sums) {
  alignas(64) float change[kLanes] = {};
  for (int r = 0; r < R; ++r) {
    if (keys.end[r] == 0) continue;
    change[r] =
        WeighRow<Cache>(scratch.scores + r * kBlockKeys, keys.begin[r], keys.end[r], maxima[r],
                        scratch.weights + r * kBlockKeys, scratch.block_sums + r * kLanes);
  }
  alignas(64) float rescale[kLanes];
  Store(rescale, Exp(Load(change)));
  const int64_t width = call.sums_width();
  for (int r = 0; r < R; ++r) {
    if (keys.end[r] == 0) continue;
    float* row = sums + r * width;
    if (change[r] != 0.0f) {
      for (int64_t i = 0; i < width; i += kLanes) Store(row + i, Load(row + i) * rescale[r]);
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

// The keys of page `index` of the item's sequence; null when none of them is the item's.
template <class Cache>
TANDEM_INLINE const uint32_t* FindPage(const AttentionCall& call, const AttentionItem& item,
                                       int64_t index) {
  const int64_t key = index * kPageTokens;
  if (key + kPageTokens <= item.first_key || key >= item.end_key) return nullptr;
  const int64_t id = call.page_tables[item.sequence * call.max_pages + index];
  const int64_t head_words = 2 * kPageTokens * call.head_dim / Cache::kUnit;
  return reinterpret_cast<const uint32_t*>(call.layer + id * call.layer_page_bytes) +
         item.kv_head * head_words;
}

template <class Cache>
static BlockPages FindPages(const AttentionCall& call, const AttentionItem& item,
                            int64_t block_begin) {
  const int64_t key_words = kPageTokens * call.head_dim / Cache::kUnit;
  BlockPages pages;
  for (int64_t i = 0; i < kBlockPages; ++i) {
    const int64_t index = block_begin / kPageTokens + i;
    pages.keys[i] = FindPage<Cache>(call, item, index);
    const uint32_t* next = FindPage<Cache>(call, item, index + kBlockPages);
    pages.next_keys[i] = next == nullptr ? pages.keys[i] : next;
    pages.values[i] = pages.keys[i] + key_words;
    pages.next_values[i] = pages.next_keys[i] + key_words;
  }
  return pages;
}

// Where row `row` of the item lies in q and y, in elements.
TANDEM_INLINE int64_t RowOffset(const AttentionCall& call, const AttentionItem& item, int64_t row) {
  const int64_t group = call.group();
  const int64_t index = item.first_row + row;
  const int64_t token = call.cu_seqlens[item.sequence] + index / group;
  const int64_t head = item.kv_head * group + index % group;
  return (token * call.num_heads + head) * call.head_dim;
}

template <class Cache>
static void LoadQueries(const AttentionCall& call, const AttentionItem& item,
                        typename Cache::Coefficient* q) {
  for (int64_t row = 0; row < item.num_rows; ++row) {
    const float* from = call.q + RowOffset(call, item, row);
    typename Cache::Coefficient* to = q + row * call.head_dim;
    int64_t d = 0;
    for (; d + kLanes <= call.head_dim; d += kLanes) {
      Cache::StoreCoefficients(to + d, Load(from + d));
    }
    if (d < call.head_dim) {
      typename Cache::Coefficient tail[kLanes];
      Cache::StoreCoefficients(tail, LoadPartial(from + d, call.head_dim - d, 0.0f));
      std::memcpy(static_cast<void*>(to + d), tail,
                  sizeof(tail[0]) * static_cast<size_t>(call.head_dim - d));
    }
  }
}

static void Clear(const AttentionCall& call, const AttentionItem& item, const RowStates& states) {
  for (int64_t row = 0; row < item.num_rows; ++row) states.maxima[row] = kMinusInfinity;
  const int64_t num_floats = item.num_rows * call.sums_width();
  std::memset(states.sums, 0, sizeof(float) * static_cast<size_t>(num_floats));
}

// The one merge function: total takes in the next segment. Rows that saw none of its keys stay.
static void Merge(const AttentionCall& call, const AttentionItem& item, const RowStates& total,
                  const RowStates& segment) {
  const int64_t width = call.sums_width();
  for (int64_t row = 0; row < item.num_rows; ++row) {
    const float old = total.maxima[row], added = segment.maxima[row];
    if (added == kMinusInfinity) continue;
    const float maximum = added > old ? added : old;
    total.maxima[row] = maximum;
    alignas(64) float rescale[kLanes] = {old - maximum, added - maximum};
    Store(rescale, Exp(Load(rescale)));
    float* sums = total.sums + row * width;
    const float* more = segment.sums + row * width;
    for (int64_t i = 0; i < width; i += kLanes) {
      Store(sums + i, Load(sums + i) * rescale[0] + Load(more + i) * rescale[1]);
    }
  }
}

template <typename T>
static void WriteRow(const AttentionCall& call, const float* sums, T* y) {
  const float inverse = 1.0f / SumLanes(Load(sums + call.sums_width() - kLanes));
  int64_t d = 0;
  for (; d + kLanes <= call.head_dim; d += kLanes) Store(y + d, Load(sums + d) * inverse);
  if (d < call.head_dim) StorePartial(y + d, Load(sums + d) * inverse, call.head_dim - d);
}

static void WriteRows(const AttentionCall& call, const AttentionItem& item,
                      const RowStates& total) {
  for (int64_t row = 0; row < item.num_rows; ++row) {
    const float* sums = total.sums + row * call.sums_width();
    const int64_t offset = RowOffset(call, item, row);
    if (call.y_dtype == DType::kF32) {
      WriteRow(call, sums, reinterpret_cast<float*>(call.y) + offset);
    } else {
      WriteRow(call, sums, reinterpret_cast<BFloat16*>(call.y) + offset);
    }
  }
}

// All blocks of one segment, into scratch.segment.
template <class Cache>
static void AttendSegment(const AttentionCall& call, const AttentionItem& item, int64_t segment,
                          const Scratch<Cache>& scratch) {
  Clear(call, item, scratch.segment);
  const int64_t begin = Larger(segment * kSegmentKeys, item.first_key / kBlockKeys * kBlockKeys);
  const int64_t end = Smaller((segment + 1) * kSegmentKeys, item.end_key);
  for (int64_t block = begin; block < end; block += kBlockKeys) {
    const BlockPages pages = FindPages<Cache>(call, item, block);
    for (int64_t row = 0; row < item.num_rows; row += kMaxTileRows) {
      const auto num_rows = static_cast<int>(Smaller(item.num_rows - row, kMaxTileRows));
      AttendRows(num_rows, call, scratch, pages, item, row, block);
    }
  }
}

template <class Cache>
static void Attend(const AttentionCall& call, const AttentionPiece& piece, float* floats) {
  const AttentionItem& item = *piece.item;
  Scratch<Cache> scratch(call, floats);
  LoadQueries<Cache>(call, item, scratch.q);
  if (piece.partials == nullptr) Clear(call, item, scratch.total);
  for (int64_t s = piece.first_segment; s < piece.end_segment; ++s) {
    if (piece.partials != nullptr) {
      const int64_t slot = s - item.first_segment();
      scratch.segment = RowStates(piece.partials + slot * call.states_floats());
    }
    AttendSegment(call, item, s, scratch);
    if (piece.partials == nullptr) Merge(call, item, scratch.total, scratch.segment);
  }
  if (piece.partials == nullptr) WriteRows(call, item, scratch.total);
}

static void MergePartials(const AttentionCall& call, const AttentionItem& item,
                          const float* partials, float* floats) {
  const RowStates total(floats);
  Clear(call, item, total);
  for (int64_t s = 0; s < item.end_segment() - item.first_segment(); ++s) {
    float* states = const_cast<float*>(partials) + s * call.states_floats();
    Merge(call, item, total, RowStates(states));
  }
  WriteRows(call, item, total);
}

template <class Cache>
constexpr AttentionKernel Kernel() {
  return {.scratch_floats = ScratchFloats, .attend = Attend<Cache>, .merge = MergePartials};
}

}  // namespace tandem::cpu::TANDEM_ISA
