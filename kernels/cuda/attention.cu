// Attention over the paged cache: prefill, chunk and decode in one kernel. A block does 64 rows of
// one sequence and kv head; a row is a token and one of the G query heads that share the kv head,
// so that keys and values are read once for all G. Each of four warps has 16 rows.
//
// For one row: segments of 512 keys from position 0, blocks of 64 keys ascending in a segment with
// online rescaling from zero, segments merged in ascending order. A block's keys and values go
// through shared memory as they lie in the page. Rows do not touch each other: their bits do not
// depend on which share a tile.

#include "kernels/attention.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/kv_page.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {
namespace {

constexpr int kPageTokens = static_cast<int>(KvLayout::kPageTokens);
constexpr int kBlockKeys = 64;
constexpr int kBlockPages = kBlockKeys / kPageTokens;
constexpr int kSegmentKeys = 512;
constexpr int kTileRows = 64;
constexpr int kThreads = 128;

template <typename Y>
struct AttentionWork {
  const float* q;
  PagedBatch batch;
  Y* y;
  float* statistics;  // or null
  int num_heads;
  float scale;
  int64_t window;  // 0: all

  __device__ int group() const { return num_heads / batch.num_kv_heads; }
};

__device__ __forceinline__ float NegativeInfinity() { return -__int_as_float(0x7f800000); }

// Which tile of which sequence block `index` is; sequence -1 where there are fewer tiles.
struct TileOf {
  int sequence = -1;
  int first_row = 0;  // of the sequence's tokens times G

  __device__ TileOf(const PagedBatch& batch, int group, int index) {
    for (int s = 0; s < batch.num_seqs; ++s) {
      const int rows = (batch.cu_seqlens[s + 1] - batch.cu_seqlens[s]) * group;
      const int tiles = (rows + kTileRows - 1) / kTileRows;
      if (index < tiles) {
        sequence = s;
        first_row = index * kTileRows;
        return;
      }
      index -= tiles;
    }
  }
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

// ---- bf16 cache, head_dim a multiple of 16: products on tensor cores ----

// Rows of words are padded so that the lanes of a fragment read from 32 different banks.
constexpr int kKeyRowWords = kPageTokens + 8;

template <int kDim>
struct Shared {
  alignas(16) uint32_t keys[kBlockPages][kDim / 2][kKeyRowWords];
  alignas(16) uint32_t values[kBlockPages][kPageTokens / 2][kDim + 8];
  float merged[kTileRows][kDim];  // of the segments so far
};

// Online softmax of a row, or rather of the part of it that four lanes have: `sum` is this lane's.
struct Softmax {
  float max;
  float sum = 0.0f;
};

template <int kDim>
__device__ __forceinline__ void FetchBlock(const PagedBatch& batch, int sequence, int kv_head,
                                           int first_key, int context_len, Shared<kDim>& shared) {
  constexpr int kKeyChunks = kDim / 2 * (kPageTokens / 4);
  constexpr int kValueChunks = kPageTokens / 2 * (kDim / 4);
  for (int page = 0; page < kBlockPages; ++page) {
    const int first = first_key + page * kPageTokens;
    const bool is_there = first < context_len;
    const unsigned char* head = batch.layer;  // read by nobody where the page is not there
    if (is_there) head = batch.Head(sequence, first / kPageTokens, kv_head);
    const int bytes = is_there ? 16 : 0;
    for (int i = static_cast<int>(threadIdx.x); i < kKeyChunks; i += kThreads) {
      CopyAsync16(&shared.keys[page][i / 4][i % 4 * 4], head + (is_there ? i * 16 : 0), bytes);
    }
    const unsigned char* const values = head + (is_there ? kKeyChunks * 16 : 0);
    for (int i = static_cast<int>(threadIdx.x); i < kValueChunks; i += kThreads) {
      CopyAsync16(&shared.values[page][i / (kDim / 4)][i % (kDim / 4) * 4],
                  values + (is_there ? i * 16 : 0), bytes);
    }
  }
  CommitCopies();
}

// Slots past the context may hold NaN, which times a probability of zero is NaN.
template <int kDim>
__device__ __forceinline__ void ClearStale(int first_key, int context_len, Shared<kDim>& shared) {
  if (context_len >= first_key + kBlockKeys) return;
  for (int i = static_cast<int>(threadIdx.x); i < kBlockKeys / 2 * kDim; i += kThreads) {
    const int pair = i / kDim;
    const int key = first_key + 2 * pair;
    uint32_t& word = shared.values[pair / (kPageTokens / 2)][pair % (kPageTokens / 2)][i % kDim];
    if (key >= context_len) {
      word = 0;
    } else if (key + 1 >= context_len) {
      word &= 0xffffu;
    }
  }
}

__device__ __forceinline__ uint32_t PackBf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof(word));
  return word;
}

// Rows lane / 4 and lane / 4 + 8 of the warp's 16, rounded to bf16.
template <int kDim>
__device__ __forceinline__ void LoadQueries(const float* const (&rows)[2],
                                            uint32_t (&q)[kDim / 16][4]) {
  const int first = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int k = 0; k < kDim / 16; ++k) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float* const row = rows[i % 2];
      const int at = 16 * k + i / 2 * 8 + first;
      q[k][i] = row == nullptr ? 0u : PackBf16(row[at], row[at + 1]);
    }
  }
}

// Scaled scores of 64 keys; those that a row does not see are minus infinity.
template <int kDim>
__device__ __forceinline__ void Score(const uint32_t (&q)[kDim / 16][4], const Shared<kDim>& shared,
                                      float scale, int first_key, const KeyRange (&keys)[2],
                                      float (&scores)[8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[j][i] = 0.0f;
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      const auto& words = shared.keys[j / 2];
      const int token = j % 2 * 8 + lane / 4;
      const uint32_t b[2] = {words[8 * k + lane % 4][token], words[8 * k + lane % 4 + 4][token]};
      MultiplyAdd(Bf16Elements(), scores[j], q[k], b);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = first_key + 8 * j + lane % 4 * 2 + i % 2;
      const bool is_seen = key >= keys[i / 2].first && key <= keys[i / 2].last;
      scores[j][i] = is_seen ? scores[j][i] * scale : NegativeInfinity();
    }
  }
}

// From scores to probabilities; what was summed before is brought to the new maximum.
template <int kTiles>
__device__ __forceinline__ void Soften(float (&scores)[8][4], Softmax (&rows)[2],
                                       float (&sums)[kTiles][4]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float largest = rows[r].max;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      largest = LargerOrNan(scores[j][2 * r], largest);
      largest = LargerOrNan(scores[j][2 * r + 1], largest);
    }
    largest = LargerOrNan(largest, __shfl_xor_sync(kAllLanes, largest, 1));
    largest = LargerOrNan(largest, __shfl_xor_sync(kAllLanes, largest, 2));
    const bool sees_none = largest == NegativeInfinity();
    const float shrink = sees_none ? 1.0f : Exp(rows[r].max - largest);
    rows[r].max = largest;
    rows[r].sum *= shrink;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
#pragma unroll
      for (int i = 2 * r; i < 2 * r + 2; ++i) {
        const bool is_masked = scores[j][i] == NegativeInfinity();
        scores[j][i] = is_masked ? 0.0f : Exp(scores[j][i] - largest);
        rows[r].sum += scores[j][i];
      }
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      sums[j][2 * r] *= shrink;
      sums[j][2 * r + 1] *= shrink;
    }
  }
}

// sums += probabilities (rounded to bf16) times values.
template <int kDim>
__device__ __forceinline__ void AddValues(const float (&p)[8][4], const Shared<kDim>& shared,
                                          float (&sums)[kDim / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int page = 0; page < kBlockPages; ++page) {
    const uint32_t a[4] = {PackBf16(p[2 * page][0], p[2 * page][1]),
                           PackBf16(p[2 * page][2], p[2 * page][3]),
                           PackBf16(p[2 * page + 1][0], p[2 * page + 1][1]),
                           PackBf16(p[2 * page + 1][2], p[2 * page + 1][3])};
    const auto& words = shared.values[page];
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      const int dim = 8 * j + lane / 4;
      const uint32_t b[2] = {words[lane % 4][dim], words[lane % 4 + 4][dim]};
      MultiplyAdd(Bf16Elements(), sums[j], a, b);
    }
  }
}

// Both states become one, relative to the larger maximum.
__device__ __forceinline__ void MergeFactors(Softmax& merged, const Softmax& segment, float& keep,
                                             float& take) {
  const float largest = LargerOrNan(segment.max, merged.max);
  keep = merged.max == NegativeInfinity() ? 0.0f : Exp(merged.max - largest);
  take = segment.max == NegativeInfinity() ? 0.0f : Exp(segment.max - largest);
  merged.sum = merged.sum * keep + segment.sum * take;
  merged.max = largest;
}

// Two blocks at least on a multiprocessor: left to itself the compiler makes it three for a head_dim
// of 96, and spills.
template <int kDim, typename Y>
__global__ void __launch_bounds__(kThreads, 2) AttentionKernel(AttentionWork<Y> work) {
  auto& shared = *reinterpret_cast<Shared<kDim>*>(DynamicShared());
  const PagedBatch& batch = work.batch;
  const int group = work.group();
  const int kv_head = static_cast<int>(blockIdx.y);
  const TileOf tile(batch, group, static_cast<int>(blockIdx.x));
  if (tile.sequence < 0) return;  // the whole block
  const int first_token = batch.cu_seqlens[tile.sequence];
  const int num_tokens = batch.cu_seqlens[tile.sequence + 1] - first_token;
  const int context_len = batch.context_lens[tile.sequence];
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp_row = static_cast<int>(threadIdx.x) / 32 * 16;

  // This lane's two rows.
  const float* q_rows[2];
  KeyRange keys[2];
  int64_t heads[2];  // of all tokens; -1: no such row
  for (int r = 0; r < 2; ++r) {
    const int row = tile.first_row + warp_row + lane / 4 + 8 * r;
    const int token = row / group;
    const bool is_there = token < num_tokens;
    heads[r] = is_there
                   ? int64_t{first_token + token} * work.num_heads + kv_head * group + row % group
                   : -1;
    q_rows[r] = is_there ? work.q + heads[r] * kDim : nullptr;
    if (is_there) keys[r] = KeysOf(context_len - num_tokens + token, work.window);
  }
  uint32_t q[kDim / 16][4];
  LoadQueries<kDim>(q_rows, q);

  // The keys that any row of the tile sees.
  const int last_row = tile.first_row + kTileRows - 1;
  const int last_token = last_row / group < num_tokens ? last_row / group : num_tokens - 1;
  const int begin = KeysOf(context_len - num_tokens + tile.first_row / group, work.window).first /
                    kBlockKeys * kBlockKeys;
  const int end = context_len - num_tokens + last_token + 1;

  Softmax merged[2] = {{NegativeInfinity()}, {NegativeInfinity()}};
  Softmax rows[2] = {{NegativeInfinity()}, {NegativeInfinity()}};
  float sums[kDim / 8][4] = {};
  bool is_first = true;
  for (int first_key = begin; first_key < end; first_key += kBlockKeys) {
    FetchBlock<kDim>(batch, tile.sequence, kv_head, first_key, context_len, shared);
    AwaitCopies<0>();
    __syncthreads();
    ClearStale<kDim>(first_key, context_len, shared);
    __syncthreads();
    float scores[8][4];
    Score<kDim>(q, shared, work.scale, first_key, keys, scores);
    Soften(scores, rows, sums);
    AddValues<kDim>(scores, shared, sums);
    __syncthreads();  // before the next block is fetched over this one

    const int next = first_key + kBlockKeys;
    if (next < end && next % kSegmentKeys != 0) continue;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      rows[r].sum += __shfl_xor_sync(kAllLanes, rows[r].sum, 1);
      rows[r].sum += __shfl_xor_sync(kAllLanes, rows[r].sum, 2);
      float keep, take;
      MergeFactors(merged[r], rows[r], keep, take);
#pragma unroll
      for (int j = 0; j < kDim / 8; ++j) {
        // Read and written by this lane alone.
        float* const at = &shared.merged[warp_row + lane / 4 + 8 * r][8 * j + lane % 4 * 2];
        for (int i = 0; i < 2; ++i) {
          const float before = is_first ? 0.0f : at[i] * keep;
          at[i] = before + sums[j][2 * r + i] * take;
          sums[j][2 * r + i] = 0.0f;
        }
      }
      rows[r] = {NegativeInfinity()};
    }
    is_first = false;
  }
  for (int r = 0; r < 2; ++r) {
    if (heads[r] < 0) continue;
    for (int j = 0; j < kDim / 8; ++j) {
      const int dim = 8 * j + lane % 4 * 2;
      const float* const at = &shared.merged[warp_row + lane / 4 + 8 * r][dim];
      Y* const y = work.y + heads[r] * kDim + dim;
      y[0] = FromFloat<Y>(__fdiv_rn(at[0], merged[r].sum));
      y[1] = FromFloat<Y>(__fdiv_rn(at[1], merged[r].sum));
    }
    if (work.statistics != nullptr && lane % 4 == 0) {
      work.statistics[2 * heads[r]] = merged[r].max;
      work.statistics[2 * heads[r] + 1] = merged[r].sum;
    }
  }
}

// ---- Any cache and head_dim: a warp a row, a lane two keys of a block, then some of the dims ----

constexpr int kMaxDim = 256;
constexpr int kDimsPerLane = kMaxDim / kWarp;

struct RowShared {
  float probabilities[kBlockKeys];
};

template <typename T>
__device__ __forceinline__ float RoundedTo(float value) {
  return ToFloat(FromFloat<T>(value));
}

template <typename T, typename Y>
__global__ void __launch_bounds__(kWarp) AttentionRowKernel(AttentionWork<Y> work) {
  auto& shared = StaticShared<RowShared>();
  const PagedBatch& batch = work.batch;
  const int dim = batch.head_dim;
  const int head = static_cast<int>(blockIdx.y);
  const int kv_head = head / work.group();
  const int token = static_cast<int>(blockIdx.x);
  int sequence = 0;
  while (batch.cu_seqlens[sequence + 1] <= token) ++sequence;
  const int position = batch.context_lens[sequence] - (batch.cu_seqlens[sequence + 1] - token);
  const KeyRange keys = KeysOf(position, work.window);
  const int lane = static_cast<int>(threadIdx.x);
  const int64_t row = int64_t{token} * work.num_heads + head;
  const float* const q = work.q + row * dim;

  Softmax merged{NegativeInfinity()};
  Softmax state{NegativeInfinity()};
  float merged_sums[kDimsPerLane] = {};
  float sums[kDimsPerLane] = {};
  for (int first_key = keys.first / kBlockKeys * kBlockKeys; first_key <= keys.last;
       first_key += kBlockKeys) {
    float scores[2];
    for (int i = 0; i < 2; ++i) {
      const int key = first_key + lane + kWarp * i;
      scores[i] = NegativeInfinity();
      if (key < keys.first || key > keys.last) continue;
      const auto* const page =
          reinterpret_cast<const T*>(batch.Head(sequence, key / kPageTokens, kv_head));
      float score = 0.0f;
      for (int d = 0; d < dim; ++d) {
        score = __fmaf_rn(RoundedTo<T>(q[d]),
                          ToFloat(page[PageIndex<T>::Key(key % kPageTokens, d)]), score);
      }
      scores[i] = score * work.scale;
    }
    const float largest = WarpMax(LargerOrNan(LargerOrNan(scores[0], scores[1]), state.max));
    const float shrink = Exp(state.max - largest);  // a block has a key that the row sees
    state.max = largest;
    for (int i = 0; i < 2; ++i) {
      const float p = scores[i] == NegativeInfinity() ? 0.0f : Exp(scores[i] - largest);
      shared.probabilities[lane + kWarp * i] = RoundedTo<T>(p);
      scores[i] = p;
    }
    state.sum = state.sum * shrink + WarpSum(scores[0] + scores[1]);
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kDimsPerLane; ++i) {
      const int d = lane + kWarp * i;
      if (d >= dim) continue;
      sums[i] *= shrink;
      for (int k = 0; k < kBlockKeys; ++k) {
        const int key = first_key + k;
        if (key < keys.first || key > keys.last) continue;  // never multiplied
        const auto* const page =
            reinterpret_cast<const T*>(batch.Head(sequence, key / kPageTokens, kv_head));
        sums[i] = __fmaf_rn(shared.probabilities[k],
                            ToFloat(page[PageIndex<T>::Value(key % kPageTokens, d, dim)]), sums[i]);
      }
    }
    __syncwarp();
    const int next = first_key + kBlockKeys;
    if (next <= keys.last && next % kSegmentKeys != 0) continue;
    float keep, take;
    MergeFactors(merged, state, keep, take);
#pragma unroll
    for (int i = 0; i < kDimsPerLane; ++i) {
      merged_sums[i] = merged_sums[i] * keep + sums[i] * take;
      sums[i] = 0.0f;
    }
    state = {NegativeInfinity()};
  }
#pragma unroll
  for (int i = 0; i < kDimsPerLane; ++i) {
    const int d = lane + kWarp * i;
    if (d < dim) work.y[row * dim + d] = FromFloat<Y>(__fdiv_rn(merged_sums[i], merged.sum));
  }
  if (work.statistics != nullptr && lane == 0) {
    work.statistics[2 * row] = merged.max;
    work.statistics[2 * row + 1] = merged.sum;
  }
}

template <int kDim, typename Y>
void RunTiles(Context& context, const AttentionWork<Y>& work, int64_t num_tokens) {
  // No sequence has more than one tile that is not full.
  const int64_t tiles =
      num_tokens * work.num_heads / work.batch.num_kv_heads / kTileRows + work.batch.num_seqs;
  const LaunchShape shape{
      {static_cast<unsigned>(tiles), static_cast<unsigned>(work.batch.num_kv_heads)},
      kThreads,
      sizeof(Shared<kDim>)};
  Launch("attention", shape, context.stream, AttentionKernel<kDim, Y>, work);
}

template <typename T, typename Y>
void RunRows(Context& context, const AttentionWork<Y>& work, int64_t num_tokens) {
  if (work.batch.head_dim > kMaxDim) {
    throw ConfigError("attention on CUDA takes a head_dim of at most " + std::to_string(kMaxDim) +
                      ", and the model has " + std::to_string(work.batch.head_dim) +
                      "; run it on the CPU");
  }
  const LaunchShape shape{
      {static_cast<unsigned>(num_tokens), static_cast<unsigned>(work.num_heads)}, kWarp};
  Launch("attention", shape, context.stream, AttentionRowKernel<T, Y>, work);
}

template <typename Y>
void Run(Context& context, const AttentionArgs& args) {
  const AttentionWork<Y> work{
      .q = args.q.data<float>(),
      .batch = PagedBatchOf(args.batch, args.pool, args.layer),
      .y = reinterpret_cast<Y*>(args.y.bytes()),
      .statistics = args.statistics.empty() ? nullptr : args.statistics.data<float>(),
      .num_heads = static_cast<int>(args.q.dim(1)),
      .scale = args.scale,
      .window = args.window,
  };
  const int64_t num_tokens = args.q.dim(0);
  if (args.pool.layout().dtype == DType::kF32) return RunRows<float>(context, work, num_tokens);
  switch (work.batch.head_dim) {
    case 64:
      return RunTiles<64>(context, work, num_tokens);
    case 80:
      return RunTiles<80>(context, work, num_tokens);
    case 96:
      return RunTiles<96>(context, work, num_tokens);
    case 128:
      return RunTiles<128>(context, work, num_tokens);
    default:
      return RunRows<__nv_bfloat16>(context, work, num_tokens);
  }
}

}  // namespace

void Attention(Context& context, const AttentionArgs& args) {
  if (args.q.num_elements() == 0) return;
  if (args.y.dtype() == DType::kF32) return Run<float>(context, args);
  Run<__nv_bfloat16>(context, args);
}

}  // namespace tandem::cuda
