#pragma once
// The attention of one piece: up to kItemRows rows of a sequence and kv head over whole segments of
// keys. Included once per instruction set, with TANDEM_ISA naming the namespace.
//
// A block's 64 keys (16 KiB of K and V at 64 dims in bf16) stay in the L1 cache while all rows of
// the item pass over them, tile by tile. Bound by multiply-adds in prefill, by reading K and V in
// decode.

#include "kernels/cpu/attention_tile.h"

namespace tandem::cpu::TANDEM_ISA {

template <class Cache>
static int64_t ScratchFloats(const AttentionCall& call) {
  return 2 * call.states_floats() + kMaxTileRows * (2 * kBlockKeys + kLanes) +
         kItemRows * call.head_dim;
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
  BlockPages pages{};
  for (int64_t i = 0; i < kBlockPages; ++i) {
    const int64_t index = block_begin / kPageTokens + i;
    const uint32_t* page = FindPage<Cache>(call, item, index);
    if (page == nullptr) continue;
    const uint32_t* next = FindPage<Cache>(call, item, index + kBlockPages);
    if (next == nullptr) next = page;
    pages.keys[i] = page;
    pages.values[i] = page + key_words;
    pages.next_keys[i] = next;
    pages.next_values[i] = next + key_words;
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
    for (; d + kPartLanes <= call.head_dim; d += kPartLanes) {
      Cache::StoreCoefficients(to + d, LoadPart(from + d));
    }
    if (d == call.head_dim) continue;
    Part tail = {};
    std::memcpy(&tail, from + d, sizeof(float) * static_cast<size_t>(call.head_dim - d));
    Cache::StoreCoefficients(to + d, tail);  // lanes past head_dim are the next row's, or spare
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
    const Part change = {old - maximum, added - maximum};
    const Part rescale = ExpOfNonPositive(change);
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
    if (call.statistics != nullptr) {
      float* statistics = call.statistics + offset / call.head_dim * 2;
      statistics[0] = total.maxima[row];
      statistics[1] = SumLanes(Load(sums + call.sums_width() - kLanes));
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

// A piece of an item. attend_segment(segment) computes one into scratch.segment.
template <class Cache, class AnyScratch, class AttendOne>
static void AttendSegments(const AttentionCall& call, const AttentionPiece& piece,
                           AnyScratch& scratch, AttendOne attend_segment) {
  const AttentionItem& item = *piece.item;
  LoadQueries<Cache>(call, item, scratch.q);
  if (piece.partials == nullptr) Clear(call, item, scratch.total);
  for (int64_t s = piece.first_segment; s < piece.end_segment; ++s) {
    if (piece.partials != nullptr) {
      const int64_t slot = s - item.first_segment();
      scratch.segment = RowStates(piece.partials + slot * call.states_floats());
    }
    attend_segment(s);
    if (piece.partials == nullptr) Merge(call, item, scratch.total, scratch.segment);
  }
  if (piece.partials == nullptr) WriteRows(call, item, scratch.total);
}

template <class Cache>
static void Attend(const AttentionCall& call, const AttentionPiece& piece, float* floats) {
  Scratch<Cache> scratch(call, floats);
  AttendSegments<Cache>(call, piece, scratch, [&](int64_t segment) {
    AttendSegment(call, *piece.item, segment, scratch);
  });
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
  return {.scratch_floats = ScratchFloats<Cache>, .attend = Attend<Cache>, .merge = MergePartials};
}

}  // namespace tandem::cpu::TANDEM_ISA
