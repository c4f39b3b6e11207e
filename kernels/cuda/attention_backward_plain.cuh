#pragma once
// The backward of attention over any cache and head_dim up to 256, with or without dropout: plain
// loops. A warp owns a row (dq), or a key of a kv head (dk and dv); a lane computes the scores of
// one pair of row and key at a time, then some of the dims' sums, pairs ascending.

#include "kernels/attention_dropout.h"
#include "kernels/cuda/attention_work.cuh"
#include "kernels/cuda/primitives/dropout_mask.cuh"
#include "kernels/cuda/primitives/launch.cuh"

namespace tandem::cuda {

inline constexpr int kDimsPerLane = kMaxPlainDim / kWarp;

struct PlainBackwardWork {
  PagedBatch batch;
  const float* q;      // [tokens, num_heads, head_dim]
  const float* dy;     // the same
  const float4* rows;  // [tokens, num_heads]: maximum, 1 / sum, delta
  float* dq;           // [tokens, num_heads, head_dim]
  float* dk;           // [tokens, num_kv_heads, head_dim]
  float* dv;           // the same
  int64_t num_tokens;
  int num_heads;
  float scale;
  int64_t window;          // 0: all
  DropoutMaskFields mask;  // where there is dropout
};

// A sequence's keys of one kv head, as the cache holds them; keys by position.
template <typename T>
struct CachedHead {
  const PagedBatch& batch;
  int sequence;
  int kv_head;

  __device__ const T* Page(int key) const {
    return reinterpret_cast<const T*>(batch.Head(sequence, key / kPageTokens, kv_head));
  }
  __device__ float K(int key, int d) const {
    return ToFloat(Page(key)[PageIndex<T>::Key(key % kPageTokens, d)]);
  }
  __device__ float V(int key, int d) const {
    return ToFloat(Page(key)[PageIndex<T>::Value(key % kPageTokens, d, batch.head_dim)]);
  }
  // q is rounded to T, as the scores saw it.
  __device__ float Score(const float* q, int key) const {
    const T* const page = Page(key);
    const int slot = key % kPageTokens;
    float sum = 0.0f;
    for (int d = 0; d < batch.head_dim; ++d) {
      const float rounded = ToFloat(FromFloat<T>(q[d]));
      sum = __fmaf_rn(rounded, ToFloat(page[PageIndex<T>::Key(slot, d)]), sum);
    }
    return sum;
  }
  __device__ float DotValue(const float* dy, int key) const {
    const T* const page = Page(key);
    const int slot = key % kPageTokens;
    float sum = 0.0f;
    for (int d = 0; d < batch.head_dim; ++d) {
      sum = __fmaf_rn(dy[d], ToFloat(page[PageIndex<T>::Value(slot, d, batch.head_dim)]), sum);
    }
    return sum;
  }
};

// What dropout multiplies the probability of a row (of all tokens and query heads) and key with.
__device__ __forceinline__ float FactorOf(const DropoutMaskFields& mask, int64_t row, int key) {
  const uint64_t element =
      (static_cast<uint64_t>(row) << kDropoutKeyBits) + static_cast<uint64_t>(key);
  return DropoutFactor(mask, element);
}

struct PairGradient {
  float w;   // the probability, times its factor of dropout
  float ds;  // of the score
};

template <typename T, bool kDropped>
__device__ __forceinline__ PairGradient GradientOf(const PlainBackwardWork& work,
                                                   const CachedHead<T>& keys, int64_t row,
                                                   int key) {
  const float4 numbers = work.rows[row];
  const int64_t at = row * work.batch.head_dim;
  const float p = Exp(keys.Score(work.q + at, key) * work.scale - numbers.x) * numbers.y;
  const float dp = keys.DotValue(work.dy + at, key);
  const float factor = kDropped ? FactorOf(work.mask, row, key) : 1.0f;
  return {factor * p, p * (factor * dp - numbers.z) * work.scale};
}

struct PairsShared {
  PairGradient pairs[kWarp];
};

template <typename T, bool kDropped>
__global__ void __launch_bounds__(kWarp) PlainQueriesKernel(PlainBackwardWork work) {
  auto& shared = StaticShared<PairsShared>();
  const int dim = work.batch.head_dim;
  const int lane = static_cast<int>(threadIdx.x);
  const int token = static_cast<int>(blockIdx.x);
  const int head = static_cast<int>(blockIdx.y);
  const int sequence = PlaceOf(work.batch, token).sequence;
  const CachedHead<T> keys{work.batch, sequence, head / (work.num_heads / work.batch.num_kv_heads)};
  const KeyRange range = KeysOf(token - work.batch.cu_seqlens[sequence], work.window);
  const int64_t row = int64_t{token} * work.num_heads + head;
  float dq[kDimsPerLane] = {};
  for (int first = range.first; first <= range.last; first += kWarp) {
    const int count = range.last - first + 1 < kWarp ? range.last - first + 1 : kWarp;
    if (lane < count) shared.pairs[lane] = GradientOf<T, kDropped>(work, keys, row, first + lane);
    __syncwarp();
    for (int j = 0; j < count; ++j) {
#pragma unroll
      for (int i = 0; i < kDimsPerLane; ++i) {
        const int d = lane + kWarp * i;
        if (d < dim) dq[i] = __fmaf_rn(shared.pairs[j].ds, keys.K(first + j, d), dq[i]);
      }
    }
    __syncwarp();
  }
#pragma unroll
  for (int i = 0; i < kDimsPerLane; ++i) {
    const int d = lane + kWarp * i;
    if (d < dim) work.dq[row * dim + d] = dq[i];
  }
}

// The rows that see a key, in the order of their sum: with dropout query tokens ascending, then
// query heads; without, query heads, then query tokens.
template <bool kDropped>
struct RowsOfKey {
  int64_t first_row;  // of the key's own token, and the group's first head
  int num_heads;      // of all
  int group;
  int num_queries;

  __device__ int count() const { return group * num_queries; }
  __device__ int64_t Row(int n) const {
    const int query = kDropped ? n / group : n % num_queries;
    const int head = kDropped ? n % group : n / num_queries;
    return first_row + int64_t{query} * num_heads + head;
  }
};

template <typename T, bool kDropped>
__global__ void __launch_bounds__(kWarp) PlainKeysKernel(PlainBackwardWork work) {
  auto& shared = StaticShared<PairsShared>();
  const int dim = work.batch.head_dim;
  const int group = work.num_heads / work.batch.num_kv_heads;
  const int lane = static_cast<int>(threadIdx.x);
  const int token = static_cast<int>(blockIdx.x);
  const int kv_head = static_cast<int>(blockIdx.y);
  const int sequence = PlaceOf(work.batch, token).sequence;
  const CachedHead<T> keys{work.batch, sequence, kv_head};
  const int key = token - work.batch.cu_seqlens[sequence];
  const int num_left = work.batch.cu_seqlens[sequence + 1] - token;
  const bool is_cut = work.window > 0 && work.window < num_left;
  const RowsOfKey<kDropped> rows{int64_t{token} * work.num_heads + kv_head * group, work.num_heads,
                                 group, is_cut ? static_cast<int>(work.window) : num_left};
  float dk[kDimsPerLane] = {};
  float dv[kDimsPerLane] = {};
  for (int first = 0; first < rows.count(); first += kWarp) {
    const int count = rows.count() - first < kWarp ? rows.count() - first : kWarp;
    if (lane < count) {
      shared.pairs[lane] = GradientOf<T, kDropped>(work, keys, rows.Row(first + lane), key);
    }
    __syncwarp();
    for (int n = 0; n < count; ++n) {
      const PairGradient pair = shared.pairs[n];
      const int64_t at = rows.Row(first + n) * dim;
#pragma unroll
      for (int i = 0; i < kDimsPerLane; ++i) {
        const int d = lane + kWarp * i;
        if (d >= dim) continue;
        dk[i] = __fmaf_rn(pair.ds, ToFloat(FromFloat<T>(work.q[at + d])), dk[i]);
        dv[i] = __fmaf_rn(pair.w, work.dy[at + d], dv[i]);
      }
    }
    __syncwarp();
  }
  const int64_t at = (int64_t{token} * work.batch.num_kv_heads + kv_head) * dim;
#pragma unroll
  for (int i = 0; i < kDimsPerLane; ++i) {
    const int d = lane + kWarp * i;
    if (d >= dim) continue;
    work.dk[at + d] = dk[i];
    work.dv[at + d] = dv[i];
  }
}

template <typename T, bool kDropped>
void LaunchPlainBackward(Context& context, const PlainBackwardWork& work) {
  const auto tokens = static_cast<unsigned>(work.num_tokens);
  const auto heads = static_cast<unsigned>(work.num_heads);
  const auto kv_heads = static_cast<unsigned>(work.batch.num_kv_heads);
  Launch("attention_backward_queries", {{tokens, heads}, kWarp}, context.stream,
         PlainQueriesKernel<T, kDropped>, work);
  Launch("attention_backward_keys", {{tokens, kv_heads}, kWarp}, context.stream,
         PlainKeysKernel<T, kDropped>, work);
}

}  // namespace tandem::cuda
