#pragma once
// What the layers of a step compute on their way. For inference one set serves all layers, one
// after the other; for training each layer keeps its own until its backward has run (the tape).
// Owned by the Transformer.

#include <cstdint>
#include <vector>

#include "engine/config/model_config.h"
#include "kernels/core/tensor.h"

namespace tandem {

enum class Keep : uint8_t {
  kNothing,
  kForBackward,  // every layer's activations, also those that inference has no need of
  kLayerInputs,  // those of one layer, and every layer's input: the others are computed again
};

struct FeedForwardActivations {
  Tensor gate_up;    // [rows, 2 * intermediate], f32
  Tensor activated;  // [rows, intermediate], activation dtype
};

// Of a mixture; rows = tokens * top_k, sorted by expert.
struct MoeActivations {
  Tensor logits;                  // [tokens, num_experts], f32
  Tensor experts;                 // [tokens, top_k], i32
  Tensor shares;                  // [tokens, top_k], f32
  Tensor offsets;                 // [num_experts + 1], i32
  Tensor row_of;                  // [tokens, top_k], i32
  Tensor token_of;                // [rows], i32
  Tensor gathered;                // [rows, hidden], activation dtype; kept for backward only
  FeedForwardActivations routed;  // gate_up: kept for backward only
  Tensor output;                  // [rows, hidden], f32
  std::vector<FeedForwardActivations> shared;  // of each shared expert, or one for all of them
};

struct LayerActivations {
  Tensor input;             // [tokens, hidden], f32: the residual stream; kept for backward only
  Tensor attention_normed;  // [tokens, hidden], activation dtype
  Tensor qkv;               // [tokens, (heads + 2 kv_heads) * head_dim], f32
  Tensor q;                 // [tokens, heads, head_dim], f32, after norm and RoPE
  Tensor statistics;        // [tokens, heads, 2], f32 (AttentionArgs); kept for backward only
  Tensor attended;          // [tokens, heads * head_dim], activation dtype
  Tensor middle;            // [tokens, hidden], f32: after attention; kept for backward only
  Tensor ffn_normed;        // [tokens, hidden], activation dtype; empty: attention_normed again
  FeedForwardActivations dense;
  MoeActivations moe;
};

// For all layers, or for each (kForBackward): with leading dimensions for max_tokens. `activation`
// is what norms, attention and activations write.
std::vector<LayerActivations> AllocateActivations(const ModelConfig& config, int64_t max_tokens,
                                                  DType activation, Keep keep, Device device);

// Of all of them, in bytes.
int64_t ActivationBytes(const std::vector<LayerActivations>& layers);

}  // namespace tandem
