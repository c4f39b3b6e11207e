#pragma once
// The weights of one model in the form that the kernels read: matrices packed once, vectors in
// fp32. Owned by the runner (or the trainer, whose optimiser writes these very tensors while no
// step runs).

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/model_config.h"
#include "kernels/matmul.h"

namespace tandem {

struct AttentionWeights {
  Tensor norm;          // [hidden]
  PackedMatrix qkv;     // [(num_heads + 2 num_kv_heads) * head_dim, hidden]: q rows, k rows, v rows
  Tensor qkv_bias;      // [the same rows], or empty
  Tensor q_norm;        // [head_dim], or empty
  Tensor k_norm;        // [head_dim], or empty
  PackedMatrix output;  // [hidden, num_heads * head_dim]
  Tensor output_bias;   // [hidden], or empty
};

struct FeedForwardWeights {
  PackedMatrix gate_up;  // [2 * intermediate, hidden]: gate rows, then up rows
  Tensor gate_up_bias;   // [2 * intermediate], or empty
  PackedMatrix down;     // [hidden, intermediate]
  Tensor down_bias;      // [hidden], or empty
};

struct MoeWeights {
  PackedMatrix router;                     // [num_experts, hidden], always f32
  std::vector<PackedMatrix> gate_up;       // [num_experts] of [2 * moe intermediate, hidden]
  std::vector<PackedMatrix> down;          // [num_experts] of [hidden, moe intermediate]
  std::vector<FeedForwardWeights> shared;  // [num_shared]
};

struct LayerWeights {
  AttentionWeights attention;
  Tensor ffn_norm;                          // [hidden]
  std::optional<FeedForwardWeights> dense;  // exactly one of the two
  std::optional<MoeWeights> moe;
};

struct ModelWeights {
  DType dtype = DType::kF32;  // of every matrix but the routers
  PackedMatrix embedding;     // [vocab, hidden]
  std::vector<LayerWeights> layers;
  Tensor final_norm;  // [hidden]
  PackedMatrix head;  // [vocab, hidden]; empty when tied to the embedding

  const PackedMatrix& output_head() const { return head.empty() ? embedding : head; }
  int64_t size_bytes() const;
};

// All tensors allocated, all values zero.
ModelWeights AllocateWeights(const ModelConfig& config, DType dtype);

// One named tensor of a checkpoint and where it goes: rows first_row.. of a matrix, or elements
// first_row.. of a vector.
struct Parameter {
  std::string name;  // as Hugging Face writes it: "model.layers.0.self_attn.q_proj.weight"
  Shape shape;
  PackedMatrix* matrix = nullptr;
  Tensor* vector = nullptr;
  int64_t first_row = 0;
};

// Visits every parameter of the model in checkpoint order: the one place that knows the names.
void ForEachParameter(const ModelConfig& config, ModelWeights& weights,
                      const std::function<void(const Parameter&)>& visit);

}  // namespace tandem
