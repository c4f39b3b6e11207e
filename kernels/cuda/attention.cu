// Attention over the paged cache: prefill, chunk and decode in one kernel. A block does 64 rows of
// one sequence and kv head; a row is a token and one of the G query heads that share the kv head,
// so that keys and values are read once for all G. Each of four warps has 16 rows; a warp without
// rows (decode) only helps to fetch.
//
// For one row: segments of 512 keys from position 0, blocks of 64 keys ascending in a segment with
// online rescaling from zero, segments merged in ascending order. Blocks of keys go through two
// stages of shared memory: one is on its way while the other is multiplied. Rows do not touch each
// other: their bits do not depend on which share a tile.
//
// Where tiles are few, several blocks share the keys of one, every n-th segment each, and a second
// kernel merges what they write down, a warp a row, with the same function in the same order: the
// bits are those of one block. How many is decided from shapes (attention_parts.h).
//
// Decode is bound by memory: keys and values are read once, 2048 head_dim bytes a segment and kv
// head; parts add 8 head_dim bytes a segment and row, written and soon read again. Prefill does 256
// head_dim operations a key of 4 head_dim bytes, most of which the second cache has: bound by the
// tensor cores. Two blocks fit on a multiprocessor of sm_90: 168 (head_dim 64) to 255 (128)
// registers a thread without spills, and 512 or, when merging itself, 768 head_dim bytes of shared
// memory.

#include "kernels/attention.h"

#include <type_traits>

#include "kernels/cuda/attention_parts.h"
#include "kernels/cuda/attention_tile.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/ptx.cuh"

namespace tandem::cuda {
namespace {

constexpr int kMergedRows = 4;  // of a block that merges

template <int kDim>
struct TileShared {
  KeyBlock<kDim> blocks[2];
};

template <int kDim>
struct MergingShared : TileShared<kDim> {
  float merged[kTileRows][kDim];  // of the segments so far; read and written by one lane
};

// What a lane has of its two rows, 8 apart.
template <int kDim>
struct LaneRows {
  int64_t heads[2];  // of all tokens; -1: no such row
  KeyRange keys[2];
  uint32_t q[kDim / 16][4];
  Softmax states[2] = {{NegativeInfinity()}, {NegativeInfinity()}};  // of the segment so far
  float sums[kDim / 8][4] = {};

  // Lane l's elements i of tile j are of dims 8 j + l mod 4 * 2 + (0, 1), in rows i / 2.
  __device__ static int Dim(int j) { return 8 * j + static_cast<int>(threadIdx.x) % 4 * 2; }

  __device__ void StartSegment() {
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      for (int i = 0; i < 4; ++i) sums[j][i] = 0.0f;
    }
    for (Softmax& state : states) state = {NegativeInfinity()};
  }
};

template <int kDim, typename Y>
__device__ __forceinline__ void WritePartials(const AttentionWork<Y>& work, int segment,
                                              const LaneRows<kDim>& rows) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (rows.heads[r] < 0) continue;
    const int64_t at = segment * work.num_rows + rows.heads[r];
    if (threadIdx.x % 4 == 0) work.partials.states[at] = {rows.states[r].max, rows.states[r].sum};
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      auto* const to = reinterpret_cast<float2*>(work.partials.sums + at * kDim + rows.Dim(j));
      *to = {rows.sums[j][2 * r], rows.sums[j][2 * r + 1]};
    }
  }
}

template <int kDim>
__device__ __forceinline__ void MergeSegment(const LaneRows<kDim>& rows, int first_row,
                                             Softmax (&merged)[2], MergingShared<kDim>& shared) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const MergeFactors factors = Merge(merged[r], rows.states[r]);
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      auto& at = reinterpret_cast<float2&>(shared.merged[first_row + 8 * r][rows.Dim(j)]);
      at = {MergedValue(factors, at.x, rows.sums[j][2 * r]),
            MergedValue(factors, at.y, rows.sums[j][2 * r + 1])};
    }
  }
}

template <typename Y>
__device__ __forceinline__ void WriteTwo(Y* y, float2 sums, float sum) {
  y[0] = FromFloat<Y>(__fdiv_rn(sums.x, sum));
  y[1] = FromFloat<Y>(__fdiv_rn(sums.y, sum));
}

template <typename Y>
__device__ __forceinline__ void WriteStatistics(const AttentionWork<Y>& work, int64_t row,
                                                const Softmax& merged) {
  if (work.statistics == nullptr) return;
  work.statistics[2 * row] = merged.max;
  work.statistics[2 * row + 1] = merged.sum;
}

// Two blocks at least on a multiprocessor: left to itself the compiler makes it three for a
// head_dim of 96, and spills.
template <int kDim, typename Y, bool kInParts>
__global__ void __launch_bounds__(kTileThreads, 2) AttentionKernel(AttentionWork<Y> work) {
  AwaitPrevious();
  LetNextStart();
  using Shared = std::conditional_t<kInParts, TileShared<kDim>, MergingShared<kDim>>;
  auto& shared = *reinterpret_cast<Shared*>(DynamicShared());
  const PagedBatch& batch = work.batch;
  const int group = work.group();
  const int kv_head = static_cast<int>(blockIdx.y);
  const TileOf<kTileRows> tile(batch, group, static_cast<int>(blockIdx.x));
  if (tile.sequence < 0) return;  // the whole block
  const int first_token = batch.cu_seqlens[tile.sequence];
  const int num_tokens = batch.cu_seqlens[tile.sequence + 1] - first_token;
  const int context_len = batch.context_lens[tile.sequence];
  const int first_position = context_len - num_tokens;

  // The keys that any row of the tile sees, and of those the blocks of this part.
  const int last_row = tile.first_row + kTileRows - 1;
  const int last_token = last_row / group < num_tokens ? last_row / group : num_tokens - 1;
  const int begin = KeysOf(first_position + tile.first_row / group, work.window).first;
  const int end = first_position + last_token + 1;
  const int num_parts = kInParts ? work.partials.num_parts : 1;
  int first_key =
      FirstBlock(begin / kBlockKeys * kBlockKeys, kInParts ? static_cast<int>(blockIdx.z) : 0);
  if (first_key >= end) return;  // the whole block
  FetchBlock<kDim>(batch, tile.sequence, kv_head, first_key, context_len, shared.blocks[0]);

  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * 16;
  const bool has_rows = tile.first_row + warp_row < num_tokens * group;  // the same in the warp
  LaneRows<kDim> rows;
  const float* q_rows[2];
  for (int r = 0; r < 2; ++r) {
    const int row = tile.first_row + warp_row + lane / 4 + 8 * r;
    const int token = row / group;
    const bool is_there = token < num_tokens;
    const int64_t head = int64_t{first_token + token} * work.num_heads + kv_head * group;
    rows.heads[r] = is_there ? head + row % group : -1;
    q_rows[r] = is_there ? work.q + rows.heads[r] * kDim : nullptr;
    if (is_there) rows.keys[r] = KeysOf(first_position + token, work.window);
  }
  LoadQueries<kDim>(q_rows, rows.q);

  Softmax merged[2] = {{NegativeInfinity()}, {NegativeInfinity()}};
  for (int stage = 0; first_key < end; stage ^= 1) {
    KeyBlock<kDim>& block = shared.blocks[stage];
    AwaitCopies<0>();
    __syncthreads();  // the block is there, and nobody reads the other one any more
    const int next = NextBlock(first_key, num_parts);
    if (next < end) {
      FetchBlock<kDim>(batch, tile.sequence, kv_head, next, context_len, shared.blocks[stage ^ 1]);
    }
    ClearStale<kDim>(first_key, context_len, block);
    const int segment = first_key / kSegmentKeys;
    const bool ends_segment = next >= end || next / kSegmentKeys != segment;
    if (has_rows) {
      float scores[8][4];
      Score<kDim>(rows.q, block, work.scale, first_key, rows.keys, scores);
      Soften(scores, rows.states, rows.sums);
      AddValues<kDim>(scores, block, rows.sums);
      if (ends_segment) {
        AddLaneSums(rows.states);
        if constexpr (kInParts) {
          WritePartials(work, segment, rows);
        } else {
          MergeSegment(rows, warp_row + lane / 4, merged, shared);
        }
        rows.StartSegment();
      }
    }
    first_key = next;
  }
  if constexpr (!kInParts) {
    for (int r = 0; r < 2; ++r) {
      if (rows.heads[r] < 0) continue;
      for (int j = 0; j < kDim / 8; ++j) {
        const float* const at = &shared.merged[warp_row + lane / 4 + 8 * r][rows.Dim(j)];
        WriteTwo(work.y + rows.heads[r] * kDim + rows.Dim(j), {at[0], at[1]}, merged[r].sum);
      }
      if (lane % 4 == 0) WriteStatistics(work, rows.heads[r], merged[r]);
    }
  }
}

// A row's segments in ascending order, a warp a row; a lane two dims of every 64.
template <typename Y>
__global__ void __launch_bounds__(kMergedRows* kWarp) MergeKernel(AttentionWork<Y> work) {
  AwaitPrevious();
  LetNextStart();
  const int64_t row = int64_t{blockIdx.x} * kMergedRows + threadIdx.x / kWarp;
  if (row >= work.num_rows) return;  // whole warps, and nobody meets at a barrier
  const PagedBatch& batch = work.batch;
  const int dim = batch.head_dim;
  const int token = static_cast<int>(row / work.num_heads);
  const KeyRange keys = KeysOf(PlaceOf(batch, token).position, work.window);
  constexpr int kPairs = kMaxPlainDim / 2 / kWarp;
  const int first_dim = static_cast<int>(threadIdx.x) % kWarp * 2;

  Softmax merged{NegativeInfinity()};
  float2 sums[kPairs] = {};
  for (int segment = keys.first / kSegmentKeys; segment <= keys.last / kSegmentKeys; ++segment) {
    const int64_t at = segment * work.num_rows + row;
    const float2 state = work.partials.states[at];
    const float* const of_segment = work.partials.sums + at * dim;
    const MergeFactors factors = Merge(merged, {state.x, state.y});
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      const int d = first_dim + 2 * kWarp * i;
      if (d >= dim) continue;
      const auto two = *reinterpret_cast<const float2*>(of_segment + d);
      sums[i] = {MergedValue(factors, sums[i].x, two.x), MergedValue(factors, sums[i].y, two.y)};
    }
  }
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    const int d = first_dim + 2 * kWarp * i;
    if (d < dim) WriteTwo(work.y + row * dim + d, sums[i], merged.sum);
  }
  if (threadIdx.x % kWarp == 0) WriteStatistics(work, row, merged);
}

template <int kDim, typename Y>
void LaunchTiles(Context& context, const AttentionWork<Y>& work, int64_t tiles) {
  const bool in_parts = work.partials.sums != nullptr;
  const LaunchShape shape{
      .grid = {static_cast<unsigned>(tiles), static_cast<unsigned>(work.batch.num_kv_heads),
               static_cast<unsigned>(work.partials.num_parts)},
      .block = kTileThreads,
      .shared_bytes = in_parts ? sizeof(TileShared<kDim>) : sizeof(MergingShared<kDim>),
      .waits_inside = true};
  Launch("attention", shape, context.stream,
         in_parts ? AttentionKernel<kDim, Y, true> : AttentionKernel<kDim, Y, false>, work);
}

template <typename Y>
void LaunchTiles(Context& context, const AttentionWork<Y>& work, int64_t tiles) {
  switch (work.batch.head_dim) {
    case 64:
      return LaunchTiles<64>(context, work, tiles);
    case 80:
      return LaunchTiles<80>(context, work, tiles);
    case 96:
      return LaunchTiles<96>(context, work, tiles);
    default:
      return LaunchTiles<128>(context, work, tiles);
  }
}

template <typename Y>
void Run(Context& context, const AttentionArgs& args) {
  AttentionWork<Y> work{
      .q = args.q.data<float>(),
      .batch = PagedBatchOf(args.batch, args.pool, args.layer),
      .y = reinterpret_cast<Y*>(args.y.bytes()),
      .statistics = args.statistics.empty() ? nullptr : args.statistics.data<float>(),
      .num_rows = args.q.dim(0) * args.q.dim(1),
      .num_heads = static_cast<int>(args.q.dim(1)),
      .scale = args.scale,
      .window = args.window,
      .partials = {},
  };
  const AttentionShapes shapes = ShapesOf(args);
  if (!shapes.has_tile) CheckPlainDim(shapes.head_dim);
  const int64_t num_parts = NumParts(shapes);
  WorkspaceScope scratch(context.workspace);
  if (num_parts > 1) {
    const int64_t num_states = shapes.max_segments() * shapes.num_rows();
    work.partials = {.sums = scratch.Take<float>(num_states * shapes.head_dim),
                     .states = scratch.Take<float2>(num_states),
                     .num_parts = static_cast<int>(num_parts)};
  }
  if (shapes.has_tile) {
    LaunchTiles(context, work, shapes.max_tiles());
  } else if (args.pool.layout().dtype == DType::kF32) {
    LaunchPlainAttention<float>(context, work);
  } else {
    LaunchPlainAttention<__nv_bfloat16>(context, work);
  }
  if (num_parts > 1) {
    const LaunchShape shape{.grid = NumBlocks(work.num_rows, kMergedRows),
                            .block = kMergedRows * kWarp,
                            .waits_inside = true};
    Launch("attention_merge", shape, context.stream, MergeKernel<Y>, work);
  }
}

}  // namespace

void Attention(Context& context, const AttentionArgs& args) {
  if (args.q.num_elements() == 0) return;
  if (args.y.dtype() == DType::kF32) return Run<float>(context, args);
  Run<__nv_bfloat16>(context, args);
}

}  // namespace tandem::cuda
