#pragma once
// The bytes of the paged KV cache: how one layer's keys and values lie in fixed-size pages, and the
// op that writes new tokens into them. Only kv_pages and attention know the layout inside a page.
// Which page belongs to whom is the scheduler's business.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

using PageId =
    int32_t;  // index of a page in the pool; a page holds all layers' K and V of its tokens

struct KvLayout {
  static constexpr int64_t kPageTokens = 16;

  int64_t num_layers = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;        // any multiple of 8
  DType dtype = DType::kBf16;  // f32 or bf16: K and V are rounded to it as they are written

  // One layer's share of a page: keys then values of each kv head.
  int64_t layer_page_bytes() const;
  int64_t page_bytes() const { return num_layers * layer_page_bytes(); }
  friend bool operator==(const KvLayout&, const KvLayout&) = default;
};

// Owns the pool: [num_layers][num_pages][layer_page_bytes]. Untouched pages take no memory.
// Written by the thread that runs steps.
class KvPool {
 public:
  KvPool(const KvLayout& layout, int64_t num_pages, Device device = kCpuDevice);
  const KvLayout& layout() const { return layout_; }
  int64_t num_pages() const { return num_pages_; }
  std::byte* layer(int64_t index);  // page p starts at p * layer_page_bytes()
  const std::byte* layer(int64_t index) const;

 private:
  KvLayout layout_;
  int64_t num_pages_;
  Buffer data_;
};

// The ragged batch as attention sees it. All arrays are i32 and owned by the step.
struct RaggedBatch {
  ConstTensorView cu_seqlens;  // [num_seqs + 1]: tokens of sequence s are [cu[s], cu[s+1])
  ConstTensorView
      context_lens;  // [num_seqs]: keys after this step; the last new token is at len - 1
  ConstTensorView page_tables;  // [num_seqs, max_pages]: page of positions [16 i, 16 i + 16)
  int64_t num_seqs() const { return context_lens.dim(0); }
};

// CHECKs shapes and lengths of a batch of num_tokens against each other: what every op that takes
// one does first. Page ids are checked where they are used.
void CheckBatch(const RaggedBatch& batch, int64_t num_tokens, const KvPool& pool);

struct KvWriteArgs {
  ConstTensorView k;  // [tokens, num_kv_heads, head_dim], f32, after norm and RoPE
  ConstTensorView v;  // [tokens, num_kv_heads, head_dim], f32
  RaggedBatch batch;
  KvPool& pool;
  int64_t layer = 0;
};

// Rounds k and v to the cache dtype and stores them at their positions' slots.
void KvWrite(Context& context, const KvWriteArgs& args);

struct KvCopyPageArgs {
  KvPool& pool;
  PageId from = 0;
  PageId to = 0;
};

// Copies all layers of one page (copy-on-write).
void KvCopyPage(Context& context, const KvCopyPageArgs& args);

}  // namespace tandem
