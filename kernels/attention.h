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
// (fma odd, then even; on AMX, for head_dim a multiple of 32, tiles 32 dims or 16 keys deep, where
// a block's masked keys add +0). Threads own rows, heads or whole segments.

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
  // [tokens, num_heads, 2], f32, or empty: the maximum of the scaled scores, and the sum of
  // e^(score - maximum). What the backward computes probabilities from.
  TensorView statistics{};
};

// num_heads is a multiple of num_kv_heads; query head h reads kv head h / (num_heads /
// num_kv_heads).
void Attention(Context& context, const AttentionArgs& args);

// From the gradient of y to those of q, k and v, of whole sequences: every key of a sequence is one
// of the batch's tokens. With p the probabilities, computed again from the statistics, and delta =
// dy . y of a row:
//   dv[j] = sum p[i, j] dy[i],  ds[i, j] = p[i, j] (dy[i] . v[j] - delta[i]) scale,
//   dk[j] = sum ds[i, j] q[i],  dq[i] = sum ds[i, j] k[j]
// In f32 over K and V as the cache holds them, and q rounded to its dtype; other roundings count as
// the identity. (With a bf16 cache, on AMX with head_dim a multiple of 32 and on CUDA with head_dim
// 64, 80, 96 or 128, dy, p and ds are rounded to bf16 where they are multiplied.) Keys and queries
// go in blocks of 64 from position 0; dk and dv sum over query heads ascending, then query blocks
// ascending; dq sums over key blocks ascending. One thread owns a sequence's kv head, or on CUDA
// one block a block of its keys or queries, so the bits do not depend on the others.
struct AttentionBackwardArgs {
  ConstTensorView q;  // [tokens, num_heads, head_dim], f32, as Attention read it
  RaggedBatch batch;  // context_lens are the sequences' numbers of tokens
  const KvPool& pool;
  int64_t layer = 0;
  float scale = 0.0f;
  int64_t window = 0;
  ConstTensorView y;           // [tokens, num_heads, head_dim], f32 or bf16, as Attention wrote it
  ConstTensorView statistics;  // [tokens, num_heads, 2], f32, likewise
  ConstTensorView dy;          // [tokens, num_heads, head_dim], f32
  TensorView dq;               // [tokens, num_heads, head_dim], f32; =
  TensorView dk;               // [tokens, num_kv_heads, head_dim], f32; =
  TensorView dv;               // [tokens, num_kv_heads, head_dim], f32; =
};

void AttentionBackward(Context& context, const AttentionBackwardArgs& args);

}  // namespace tandem
