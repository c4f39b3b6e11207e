#include "engine/model/weights.h"

namespace tandem {
namespace {

Tensor Vector(int64_t size) { return Tensor(DType::kF32, {size}); }

int64_t QkvRows(const ModelConfig& config) {
  return (config.num_heads + 2 * config.num_kv_heads) * config.head_dim;
}

AttentionWeights AllocateAttention(const ModelConfig& config, DType dtype) {
  AttentionWeights weights;
  weights.norm = Vector(config.hidden_size);
  weights.qkv = AllocateMatrix(dtype, QkvRows(config), config.hidden_size);
  if (config.qkv_bias) weights.qkv_bias = Vector(QkvRows(config));
  if (config.qk_norm) {
    weights.q_norm = Vector(config.head_dim);
    weights.k_norm = Vector(config.head_dim);
  }
  weights.output = AllocateMatrix(dtype, config.hidden_size, config.num_heads * config.head_dim);
  if (config.output_bias) weights.output_bias = Vector(config.hidden_size);
  return weights;
}

FeedForwardWeights AllocateFeedForward(const ModelConfig& config, int64_t intermediate,
                                       DType dtype) {
  FeedForwardWeights weights;
  weights.gate_up = AllocateMatrix(dtype, 2 * intermediate, config.hidden_size);
  weights.down = AllocateMatrix(dtype, config.hidden_size, intermediate);
  if (config.mlp_bias) {
    weights.gate_up_bias = Vector(2 * intermediate);
    weights.down_bias = Vector(config.hidden_size);
  }
  return weights;
}

MoeWeights AllocateMoe(const ModelConfig& config, DType dtype) {
  const MoeConfig& moe = config.moe;
  MoeWeights weights;
  weights.router = AllocateMatrix(DType::kF32, moe.num_experts, config.hidden_size);
  for (int64_t expert = 0; expert < moe.num_experts; ++expert) {
    weights.gate_up.push_back(AllocateMatrix(dtype, 2 * moe.intermediate_size, config.hidden_size));
    weights.down.push_back(AllocateMatrix(dtype, config.hidden_size, moe.intermediate_size));
  }
  for (int64_t shared = 0; shared < moe.num_shared; ++shared) {
    weights.shared.push_back(AllocateFeedForward(config, moe.intermediate_size, dtype));
  }
  return weights;
}

int64_t SizeOf(const FeedForwardWeights& weights) {
  return weights.gate_up.size_bytes() + weights.gate_up_bias.size_bytes() +
         weights.down.size_bytes() + weights.down_bias.size_bytes();
}

int64_t SizeOf(const MoeWeights& weights) {
  int64_t total = weights.router.size_bytes();
  for (const PackedMatrix& matrix : weights.gate_up) total += matrix.size_bytes();
  for (const PackedMatrix& matrix : weights.down) total += matrix.size_bytes();
  for (const FeedForwardWeights& shared : weights.shared) total += SizeOf(shared);
  return total;
}

// Names parameters and hands them to the visitor.
class Walk {
 public:
  explicit Walk(const std::function<void(const Parameter&)>& visit) : visit_(visit) {}

  void Matrix(const std::string& name, PackedMatrix& matrix) {
    MatrixRows(name, matrix, 0, matrix.n());
  }
  void MatrixRows(const std::string& name, PackedMatrix& matrix, int64_t first_row, int64_t rows) {
    visit_({.name = name, .shape = {rows, matrix.k()}, .matrix = &matrix, .first_row = first_row});
  }
  // Vectors that the model does not have are empty and skipped.
  void Whole(const std::string& name, Tensor& vector) {
    if (!vector.empty()) Part(name, vector, 0, vector.shape()[0]);
  }
  void Part(const std::string& name, Tensor& vector, int64_t first, int64_t size) {
    if (vector.empty()) return;
    visit_({.name = name, .shape = {size}, .vector = &vector, .first_row = first});
  }

  void Attention(const std::string& prefix, const ModelConfig& config, AttentionWeights& weights) {
    const int64_t q_rows = config.num_heads * config.head_dim;
    const int64_t kv_rows = config.num_kv_heads * config.head_dim;
    MatrixRows(prefix + "q_proj.weight", weights.qkv, 0, q_rows);
    MatrixRows(prefix + "k_proj.weight", weights.qkv, q_rows, kv_rows);
    MatrixRows(prefix + "v_proj.weight", weights.qkv, q_rows + kv_rows, kv_rows);
    Part(prefix + "q_proj.bias", weights.qkv_bias, 0, q_rows);
    Part(prefix + "k_proj.bias", weights.qkv_bias, q_rows, kv_rows);
    Part(prefix + "v_proj.bias", weights.qkv_bias, q_rows + kv_rows, kv_rows);
    Whole(prefix + "q_norm.weight", weights.q_norm);
    Whole(prefix + "k_norm.weight", weights.k_norm);
    Matrix(prefix + "o_proj.weight", weights.output);
    Whole(prefix + "o_proj.bias", weights.output_bias);
  }

  void FeedForward(const std::string& prefix, FeedForwardWeights& weights) {
    GateUpDown(prefix, weights.gate_up, weights.down);
    const int64_t intermediate = weights.down.k();
    Part(prefix + "gate_proj.bias", weights.gate_up_bias, 0, intermediate);
    Part(prefix + "up_proj.bias", weights.gate_up_bias, intermediate, intermediate);
    Whole(prefix + "down_proj.bias", weights.down_bias);
  }

  void GateUpDown(const std::string& prefix, PackedMatrix& gate_up, PackedMatrix& down) {
    MatrixRows(prefix + "gate_proj.weight", gate_up, 0, down.k());
    MatrixRows(prefix + "up_proj.weight", gate_up, down.k(), down.k());
    Matrix(prefix + "down_proj.weight", down);
  }

  void Moe(const std::string& prefix, MoeWeights& weights) {
    Matrix(prefix + "gate.weight", weights.router);
    for (size_t expert = 0; expert < weights.gate_up.size(); ++expert) {
      GateUpDown(prefix + "experts." + std::to_string(expert) + ".", weights.gate_up[expert],
                 weights.down[expert]);
    }
    for (size_t shared = 0; shared < weights.shared.size(); ++shared) {
      FeedForward(prefix + "shared_experts." + std::to_string(shared) + ".",
                  weights.shared[shared]);
    }
  }

 private:
  const std::function<void(const Parameter&)>& visit_;
};

}  // namespace

int64_t ModelWeights::size_bytes() const {
  int64_t total = embedding.size_bytes() + final_norm.size_bytes() + head.size_bytes();
  for (const LayerWeights& layer : layers) {
    const AttentionWeights& attention = layer.attention;
    total += attention.norm.size_bytes() + attention.qkv.size_bytes() +
             attention.qkv_bias.size_bytes() + attention.q_norm.size_bytes() +
             attention.k_norm.size_bytes() + attention.output.size_bytes() +
             attention.output_bias.size_bytes() + layer.ffn_norm.size_bytes();
    if (layer.dense) total += SizeOf(*layer.dense);
    if (layer.moe) total += SizeOf(*layer.moe);
  }
  return total;
}

ModelWeights AllocateWeights(const ModelConfig& config, DType dtype) {
  ModelWeights weights;
  weights.dtype = dtype;
  weights.embedding = AllocateMatrix(dtype, config.vocab_size, config.hidden_size);
  for (int64_t index = 0; index < config.num_layers; ++index) {
    LayerWeights layer;
    layer.attention = AllocateAttention(config, dtype);
    layer.ffn_norm = Vector(config.hidden_size);
    if (config.is_sparse(index)) {
      layer.moe = AllocateMoe(config, dtype);
    } else {
      layer.dense = AllocateFeedForward(config, config.intermediate_size, dtype);
    }
    weights.layers.push_back(std::move(layer));
  }
  weights.final_norm = Vector(config.hidden_size);
  if (!config.tie_embeddings) {
    weights.head = AllocateMatrix(dtype, config.vocab_size, config.hidden_size);
  }
  return weights;
}

void ForEachParameter(const ModelConfig& config, ModelWeights& weights,
                      const std::function<void(const Parameter&)>& visit) {
  Walk walk(visit);
  walk.Matrix("model.embed_tokens.weight", weights.embedding);
  for (size_t index = 0; index < weights.layers.size(); ++index) {
    LayerWeights& layer = weights.layers[index];
    const std::string prefix = "model.layers." + std::to_string(index) + ".";
    walk.Whole(prefix + "input_layernorm.weight", layer.attention.norm);
    walk.Attention(prefix + "self_attn.", config, layer.attention);
    walk.Whole(prefix + "post_attention_layernorm.weight", layer.ffn_norm);
    if (layer.dense) walk.FeedForward(prefix + "mlp.", *layer.dense);
    if (layer.moe) walk.Moe(prefix + "mlp.", *layer.moe);
  }
  walk.Whole("model.norm.weight", weights.final_norm);
  if (!weights.head.empty()) walk.Matrix("lm_head.weight", weights.head);
}

}  // namespace tandem
