#pragma once
// Causal attention over the paged KV cache: prefill, chunk and decode are one contract. Never
// materialises the score matrix.
//
// Canonical order (DESIGN 3.2): for one query row and head, keys form segments of 512 from absolute
// position 0; inside a segment blocks of 64 keys ascend with online rescaling, starting from zero;
// segments merge in ascending order with one merge function, in every phase. A block is evaluated
// as full: a masked key's probability is +0 and its value is never multiplied (stale slots may hold
// NaN); a block whose keys are all masked is skipped. Scores are scaled in f32 after the dot; the
// sum of probabilities takes them unrounded, in 16 lanes of every sixteenth key, added up once at
// the end. bf16 cache: q and the probabilities are rounded to bf16 and products are the bf16 dot
// (fma odd, then even). Threads own rows, heads or whole segments.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/kv_pages.h"

namespace tandem {

struct AttentionArgs {
  ConstTensorView q;  // [tokens, num_heads, head_dim], f32, after norm and RoPE
  RaggedBatch batch;  // keys of this step are already written
  const KvPool& pool;
  int64_t layer = 0;
  float scale = 0.0f;  // usually 1 / sqrt(head_dim)
  int64_t window = 0;  // sliding window: keys in (position - window, position]; 0: all
  TensorView y;        // [tokens, num_heads, head_dim], f32 or bf16
};

// num_heads is a multiple of num_kv_heads; query head h reads kv head h / (num_heads /
// num_kv_heads).
void Attention(Context& context, const AttentionArgs& args);

}  // namespace tandem
