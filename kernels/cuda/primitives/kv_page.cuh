#pragma once
// Where keys and values lie, as kernels/cpu/kv_page_layout.h has it: a head's share of a page is
// keys [head_dim / unit][16 tokens], then values [16 / unit][head_dim], in words of `unit` elements
// (one float, or two bfloat16). With two, a word is what a lane of mma holds of B in both products
// of attention.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/primitives/warp.cuh"
#include "kernels/kv_pages.h"

namespace tandem::cuda {

// A layer of the pool and a ragged batch, as a kernel takes them.
struct PagedBatch {
  unsigned char* layer;
  int64_t page_bytes;  // of this layer
  const int32_t* cu_seqlens;
  const int32_t* context_lens;
  const int32_t* page_tables;
  int64_t max_pages;
  int num_seqs;
  int num_kv_heads;
  int head_dim;

  __device__ unsigned char* Head(int64_t sequence, int64_t page, int kv_head) const {
    const int64_t id = page_tables[sequence * max_pages + page];
    return layer + id * page_bytes + page_bytes / num_kv_heads * kv_head;
  }
};

template <typename T>
struct PageIndex {
  static constexpr int kUnit = 4 / static_cast<int>(sizeof(T));
  static constexpr int kTokens = static_cast<int>(KvLayout::kPageTokens);

  // In elements of T from the head's begin.
  __device__ static int Key(int token, int dim) {
    return (dim / kUnit * kTokens + token) * kUnit + dim % kUnit;
  }
  __device__ static int Value(int token, int dim, int head_dim) {
    return head_dim * kTokens + (token / kUnit * head_dim + dim) * kUnit + token % kUnit;
  }
};

// The last sequence that begins at this token or before (empty ones begin where the next does). A
// thread of its own asks.
__device__ __forceinline__ int FindSequence(const PagedBatch& batch, int64_t token) {
  int low = 0;
  int high = batch.num_seqs - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (batch.cu_seqlens[middle] <= token) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

struct TokenPlace {
  int sequence = 0;
  int position = 0;
};

// Every lane of a warp asks for the same token. Lanes look at a sequence each, at all that the
// answer needs of it: no load waits for another.
__device__ __forceinline__ TokenPlace PlaceOf(const PagedBatch& batch, int64_t token) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int first = 0; first < batch.num_seqs; first += kWarp) {
    const int s = first + lane;
    const bool is_there = s < batch.num_seqs;
    const int end = is_there ? batch.cu_seqlens[s + 1] : 0;
    const int context_len = is_there ? batch.context_lens[s] : 0;
    const unsigned later = __ballot_sync(kAllLanes, end > token);
    if (later == 0) continue;
    const int owner = __ffs(static_cast<int>(later)) - 1;
    const int position = context_len - (end - static_cast<int>(token));
    return {first + owner, __shfl_sync(kAllLanes, position, owner)};
  }
  return {};  // no batch ends before its last token
}

inline PagedBatch PagedBatchOf(const RaggedBatch& batch, const KvPool& pool, int64_t layer) {
  const KvLayout& layout = pool.layout();
  return {
      .layer =
          const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(pool.layer(layer))),
      .page_bytes = layout.layer_page_bytes(),
      .cu_seqlens = batch.cu_seqlens.data<int32_t>(),
      .context_lens = batch.context_lens.data<int32_t>(),
      .page_tables = batch.page_tables.data<int32_t>(),
      .max_pages = batch.page_tables.dim(1),
      .num_seqs = static_cast<int>(batch.num_seqs()),
      .num_kv_heads = static_cast<int>(layout.num_kv_heads),
      .head_dim = static_cast<int>(layout.head_dim),
  };
}

}  // namespace tandem::cuda
