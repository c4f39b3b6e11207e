#pragma once
// What lies between the product with q_proj, k_proj and v_proj and attention, in one op: the norms
// of q and k, where a model has them, RoPE, and the writing of keys and values. The same bits as
// SplitColumns, RmsNorm, Rope and KvWrite one after another, whose contracts say the rest.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/kv_pages.h"
#include "kernels/rope.h"

namespace tandem {

struct AttentionInputsArgs {
  ConstTensorView qkv;        // [tokens, (num_heads + 2 num_kv_heads) * head_dim], f32
  ConstTensorView positions;  // [tokens], i32, each < table.num_ready()
  const RopeTable& table;
  ConstTensorView q_norm{};  // [head_dim], f32, or empty: q and k are not normed
  ConstTensorView k_norm{};  // [head_dim], f32, likewise; both or none
  float eps = 1e-5f;         // of both norms
  RaggedBatch batch;
  KvPool& pool;  // gets k, after norm and RoPE, and v of all tokens
  int64_t layer = 0;
  TensorView q;  // [tokens, num_heads, head_dim], f32, after norm and RoPE
};

void AttentionInputs(Context& context, const AttentionInputsArgs& args);

}  // namespace tandem
