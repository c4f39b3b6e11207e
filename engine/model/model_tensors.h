#pragma once
// The structure of a model's tensors, for every purpose that has one tensor (or packed matrix) for
// each: weights, gradients, the optimiser's state. Matrix is PackedMatrix, or Tensor [n, k] in
// rows. Plain owners; who may write is their owner's business.

#include <optional>
#include <vector>

#include "kernels/core/tensor.h"

namespace tandem {

template <typename Matrix>
struct AttentionTensors {
  Tensor norm;         // [hidden]
  Matrix qkv;          // [(num_heads + 2 num_kv_heads) * head_dim, hidden]: q rows, k rows, v rows
  Tensor qkv_bias;     // [the same rows], or empty
  Tensor q_norm;       // [head_dim], or empty
  Tensor k_norm;       // [head_dim], or empty
  Matrix output;       // [hidden, num_heads * head_dim]
  Tensor output_bias;  // [hidden], or empty
};

template <typename Matrix>
struct FeedForwardTensors {
  Matrix gate_up;       // [2 * intermediate, hidden]: gate rows, then up rows
  Tensor gate_up_bias;  // [2 * intermediate], or empty
  Matrix down;          // [hidden, intermediate]
  Tensor down_bias;     // [hidden], or empty
};

template <typename Matrix>
struct MoeTensors {
  Matrix router;                // [num_experts, hidden], always f32
  std::vector<Matrix> gate_up;  // [num_experts] of [2 * moe intermediate, hidden]
  std::vector<Matrix> down;     // [num_experts] of [hidden, moe intermediate]
  std::vector<FeedForwardTensors<Matrix>> shared;  // [num_shared]
};

template <typename Matrix>
struct LayerTensors {
  AttentionTensors<Matrix> attention;
  Tensor ffn_norm;                                  // [hidden]
  std::optional<FeedForwardTensors<Matrix>> dense;  // exactly one of the two
  std::optional<MoeTensors<Matrix>> moe;
};

template <typename Matrix>
struct ModelTensors {
  Matrix embedding;  // [vocab, hidden]
  std::vector<LayerTensors<Matrix>> layers;
  Tensor final_norm;  // [hidden]
  Matrix head;        // [vocab, hidden]; empty when tied to the embedding

  const Matrix& output_head() const { return head.empty() ? embedding : head; }
  Matrix& output_head() { return head.empty() ? embedding : head; }
};

// Visits every matrix and vector in one fixed order, also those that are empty. `tensors` is a
// ModelTensors, const or not.
template <typename Tensors, typename OnMatrix, typename OnVector>
void ForEachTensor(Tensors& tensors, OnMatrix on_matrix, OnVector on_vector) {
  const auto feed_forward = [&](auto& ffn) {
    on_matrix(ffn.gate_up);
    on_vector(ffn.gate_up_bias);
    on_matrix(ffn.down);
    on_vector(ffn.down_bias);
  };
  on_matrix(tensors.embedding);
  for (auto& layer : tensors.layers) {
    on_vector(layer.attention.norm);
    on_matrix(layer.attention.qkv);
    on_vector(layer.attention.qkv_bias);
    on_vector(layer.attention.q_norm);
    on_vector(layer.attention.k_norm);
    on_matrix(layer.attention.output);
    on_vector(layer.attention.output_bias);
    on_vector(layer.ffn_norm);
    if (layer.dense) feed_forward(*layer.dense);
    if (!layer.moe) continue;
    on_matrix(layer.moe->router);
    for (auto& matrix : layer.moe->gate_up) on_matrix(matrix);
    for (auto& matrix : layer.moe->down) on_matrix(matrix);
    for (auto& shared : layer.moe->shared) feed_forward(shared);
  }
  on_vector(tensors.final_norm);
  on_matrix(tensors.head);
}

// The same layers and experts as `from`, every tensor empty.
template <typename To, typename From>
ModelTensors<To> SameStructure(const ModelTensors<From>& from) {
  ModelTensors<To> to;
  for (const LayerTensors<From>& layer : from.layers) {
    LayerTensors<To>& made = to.layers.emplace_back();
    if (layer.dense) made.dense.emplace();
    if (!layer.moe) continue;
    made.moe.emplace();
    made.moe->gate_up.resize(layer.moe->gate_up.size());
    made.moe->down.resize(layer.moe->down.size());
    made.moe->shared.resize(layer.moe->shared.size());
  }
  return to;
}

}  // namespace tandem
