#pragma once
// What the kernels of attention share: their parameters, which keys a row sees, and how a row's
// segments of keys become one. The canonical order is kernels/attention.h's, in blocks of
// kBlockKeys and segments of kSegmentKeys from position 0.

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "kernels/core/context.h"
#include "kernels/core/error.h"
#include "kernels/cuda/attention_parts.h"
#include "kernels/cuda/primitives/kv_page.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {

inline constexpr int kPageTokens = static_cast<int>(KvLayout::kPageTokens);
inline constexpr int kBlockKeys = 64;
inline constexpr int kMaxPlainDim = 256;  // of head_dim, where a lane owns some of the dims

inline void CheckPlainDim(int64_t head_dim) {
  if (head_dim <= kMaxPlainDim) return;
  throw ConfigError("attention on CUDA takes a head_dim of at most " +
                    std::to_string(kMaxPlainDim) + ", and the model has " +
                    std::to_string(head_dim) + "; run it on the CPU");
}

__device__ __forceinline__ float NegativeInfinity() { return -__int_as_float(0x7f800000); }

// Online softmax of a row over some keys.
struct Softmax {
  float max;
  float sum = 0.0f;
};

// What the blocks that share a row's keys have of each segment: sums of values before they are
// divided, and the softmax that they are relative to. Null pointers where one block does all keys.
struct Partials {
  float* sums = nullptr;     // [segments, rows, head_dim]
  float2* states = nullptr;  // [segments, rows]: maximum, sum
  int num_parts = 1;         // part p does every num_parts-th segment from the p-th on
};

template <typename Y>
struct AttentionWork {
  const float* q;  // [tokens, num_heads, head_dim]
  PagedBatch batch;
  Y* y;               // the same shape
  float* statistics;  // [tokens, num_heads, 2], or null
  int64_t num_rows;   // tokens * num_heads
  int num_heads;
  float scale;
  int64_t window;  // 0: all
  Partials partials;

  __device__ int group() const { return num_heads / batch.num_kv_heads; }
};

// The keys that a row may see: [first, last].
struct KeyRange {
  int first = 0;
  int last = -1;
};

__device__ __forceinline__ KeyRange KeysOf(int position, int64_t window) {
  const bool is_cut = window > 0 && position + 1 > window;
  return {is_cut ? position + 1 - static_cast<int>(window) : 0, position};
}

// The block of keys from which part `part` of a row (or tile) goes on that begins with the block at
// `begin`; and the one after the block at `first_key`, which may be past the row's last key.
__device__ __forceinline__ int FirstBlock(int begin, int part) {
  return part == 0 ? begin : (begin / kSegmentKeys + part) * kSegmentKeys;
}
__device__ __forceinline__ int NextBlock(int first_key, int num_parts) {
  const int next = first_key + kBlockKeys;
  return next % kSegmentKeys == 0 ? next + (num_parts - 1) * kSegmentKeys : next;
}

// Which tile of which sequence block `index` is, when every sequence has its rows (tokens times
// `group`) in tiles of kRows; sequence -1 where there are fewer tiles. Every lane of a warp asks.
template <int kRows>
struct TileOf {
  int sequence = -1;
  int first_row = 0;

  __device__ TileOf(const PagedBatch& batch, int group, int index) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    for (int first = 0; first < batch.num_seqs; first += kWarp) {
      const int s = first + lane;
      const bool is_there = s < batch.num_seqs;
      const int rows = is_there ? (batch.cu_seqlens[s + 1] - batch.cu_seqlens[s]) * group : 0;
      const int tiles = (rows + kRows - 1) / kRows;
      int up_to = tiles;  // of the lanes up to this one
      for (int step = 1; step < kWarp; step *= 2) {
        const int before = __shfl_up_sync(kAllLanes, up_to, step);
        if (lane >= step) up_to += before;
      }
      const unsigned past = __ballot_sync(kAllLanes, index < up_to);
      if (past != 0) {
        const int owner = __ffs(static_cast<int>(past)) - 1;
        sequence = first + owner;
        first_row = (index - __shfl_sync(kAllLanes, up_to - tiles, owner)) * kRows;
        return;
      }
      index -= __shfl_sync(kAllLanes, up_to, kWarp - 1);
    }
  }
};

// ---- Segments become one ----

struct MergeFactors {
  float keep;  // of what was merged before
  float take;  // of the segment
};

// Both states become one, relative to the larger maximum. A segment of which the row sees no key
// (its maximum is minus infinity) leaves all as it was.
__device__ __forceinline__ MergeFactors Merge(Softmax& merged, const Softmax& segment) {
  if (segment.max == NegativeInfinity()) return {1.0f, 0.0f};
  const float largest = LargerOrNan(segment.max, merged.max);
  const bool is_first = merged.max == NegativeInfinity();
  const MergeFactors factors{is_first ? 0.0f : Exp(merged.max - largest),
                             Exp(segment.max - largest)};
  merged = {largest, merged.sum * factors.keep + segment.sum * factors.take};
  return factors;
}

__device__ __forceinline__ float MergedValue(const MergeFactors& factors, float merged,
                                             float segment) {
  if (factors.take == 0.0f && factors.keep == 1.0f) return merged;
  const float kept = factors.keep == 0.0f ? 0.0f : merged * factors.keep;  // at first, anything
  return kept + segment * factors.take;
}

// Any cache, and any head_dim up to kMaxPlainDim (kernels/cuda/attention_plain.cu): T is the
// cache's dtype.
template <typename T, typename Y>
void LaunchPlainAttention(Context& context, const AttentionWork<Y>& work);

}  // namespace tandem::cuda
