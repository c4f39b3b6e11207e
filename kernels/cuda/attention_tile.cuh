#pragma once
// Attention's step on tensor cores (bf16 cache, head_dim a multiple of 16): a warp's 16 rows
// against a block of 64 keys in shared memory.
//
// Keys and values lie in shared memory in the page's words, which are what a lane of mma holds of
// B: no shuffle and no transposition. A row of words is turned round by its number, so that the
// lanes of a fragment read from 32 different banks.

#include <cuda_bf16.h>

#include <cstring>

#include "kernels/cuda/attention_work.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {

inline constexpr int kTileThreads = 128;
inline constexpr int kBlockPages = kBlockKeys / kPageTokens;

// One block of keys; words of two bf16.
template <int kDim>
struct KeyBlock {
  alignas(16) uint32_t keys[kBlockPages][kDim / 2][kPageTokens];    // pairs of dims
  alignas(16) uint32_t values[kBlockPages][kPageTokens / 2][kDim];  // pairs of tokens

  // Eight words stay together. Where number `eight` of them lies, in the row of a pair:
  __device__ static int KeysAt(int pair, int eight) { return 8 * (eight ^ (pair >> 1 & 1)); }
  __device__ static int ValuesAt(int pair, int eight) {
    if constexpr (kDim % 32 == 0) return 8 * (eight / 4 * 4 + (eight % 4 ^ (pair & 3)));
    return 8 * (eight / 2 * 2 + (eight % 2 ^ (pair >> 1 & 1)));
  }
};

template <int kDim>
__device__ __forceinline__ void FetchBlock(const PagedBatch& batch, int sequence, int kv_head,
                                           int first_key, int context_len, KeyBlock<kDim>& block) {
  constexpr int kKeyChunks = kDim / 2 * (kPageTokens / 4);
  constexpr int kRowChunks = kDim / 4;
  constexpr int kValueChunks = kPageTokens / 2 * kRowChunks;
  for (int page = 0; page < kBlockPages; ++page) {
    const int first = first_key + page * kPageTokens;
    const bool is_there = first < context_len;
    const unsigned char* head = batch.layer;  // read by nobody where the page is not there
    if (is_there) head = batch.Head(sequence, first / kPageTokens, kv_head);
    const int bytes = is_there ? 16 : 0;
    for (int i = static_cast<int>(threadIdx.x); i < kKeyChunks; i += kTileThreads) {
      const int pair = i / 4;
      uint32_t* const row = block.keys[page][pair];
      uint32_t* const to = row + KeyBlock<kDim>::KeysAt(pair, i % 4 / 2) + i % 2 * 4;
      CopyAsync16(to, head + (is_there ? i * 16 : 0), bytes);
    }
    const unsigned char* const values = head + (is_there ? kKeyChunks * 16 : 0);
    for (int i = static_cast<int>(threadIdx.x); i < kValueChunks; i += kTileThreads) {
      const int pair = i / kRowChunks;
      const int chunk = i % kRowChunks;
      uint32_t* const row = block.values[page][pair];
      uint32_t* const to = row + KeyBlock<kDim>::ValuesAt(pair, chunk / 2) + chunk % 2 * 4;
      CopyAsync16(to, values + (is_there ? i * 16 : 0), bytes);
    }
  }
  CommitCopies();
}

// Slots past the context may hold NaN, which times a probability of zero is NaN. Of all threads.
template <int kDim>
__device__ __forceinline__ void ClearStale(int first_key, int context_len, KeyBlock<kDim>& block) {
  if (context_len >= first_key + kBlockKeys) return;  // the whole block
  for (int i = static_cast<int>(threadIdx.x); i < kBlockKeys / 2 * kDim; i += kTileThreads) {
    const int pair = i / kDim % (kPageTokens / 2);
    const int key = first_key + i / kDim * 2;
    const int at = KeyBlock<kDim>::ValuesAt(pair, i % kDim / 8) + i % 8;
    uint32_t& word = block.values[i / kDim / (kPageTokens / 2)][pair][at];
    if (key >= context_len) {
      word = 0;
    } else if (key + 1 >= context_len) {
      word &= 0xffffu;
    }
  }
  __syncthreads();
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
__device__ __forceinline__ void Score(const uint32_t (&q)[kDim / 16][4],
                                      const KeyBlock<kDim>& block, float scale, int first_key,
                                      const KeyRange (&keys)[2], float (&scores)[8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[j][i] = 0.0f;
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      const auto& words = block.keys[j / 2];
      const int pair = 8 * k + lane % 4;
      const int at = KeyBlock<kDim>::KeysAt(pair, j % 2) + lane / 4;
      const uint32_t b[2] = {words[pair][at], words[pair + 4][at]};
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

// From scores to probabilities; what was summed before is brought to the new maximum. A row lies in
// four lanes, and rows[r].sum is this lane's part.
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

// The four lanes' parts of each row's sum become one.
__device__ __forceinline__ void AddLaneSums(Softmax (&rows)[2]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    rows[r].sum += __shfl_xor_sync(kAllLanes, rows[r].sum, 1);
    rows[r].sum += __shfl_xor_sync(kAllLanes, rows[r].sum, 2);
  }
}

// sums += probabilities (rounded to bf16) times values.
template <int kDim>
__device__ __forceinline__ void AddValues(const float (&p)[8][4], const KeyBlock<kDim>& block,
                                          float (&sums)[kDim / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int page = 0; page < kBlockPages; ++page) {
    const uint32_t a[4] = {PackBf16(p[2 * page][0], p[2 * page][1]),
                           PackBf16(p[2 * page][2], p[2 * page][3]),
                           PackBf16(p[2 * page + 1][0], p[2 * page + 1][1]),
                           PackBf16(p[2 * page + 1][2], p[2 * page + 1][3])};
    const auto& words = block.values[page];
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      const int at = KeyBlock<kDim>::ValuesAt(lane % 4, j) + lane / 4;
      const uint32_t b[2] = {words[lane % 4][at], words[lane % 4 + 4][at]};
      MultiplyAdd(Bf16Elements(), sums[j], a, b);
    }
  }
}

}  // namespace tandem::cuda
