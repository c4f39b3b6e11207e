#include "engine/model/weights.h"

#include <utility>

#include "kernels/core/device_memory.h"

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

int64_t NumRows(const PackedMatrix& matrix) { return matrix.n(); }
int64_t NumRows(const Tensor& matrix) { return matrix.shape()[0]; }
int64_t NumColumns(const PackedMatrix& matrix) { return matrix.k(); }
int64_t NumColumns(const Tensor& matrix) { return matrix.shape()[1]; }

// Names parameters and hands them to the visitor.
template <typename M>
class Walk {
 public:
  explicit Walk(const std::function<void(const ParameterOf<M>&)>& visit) : visit_(visit) {}

  void Matrix(const std::string& name, M& matrix) { MatrixRows(name, matrix, 0, NumRows(matrix)); }
  void MatrixRows(const std::string& name, M& matrix, int64_t first_row, int64_t rows) {
    visit_({.name = name,
            .shape = {rows, NumColumns(matrix)},
            .matrix = &matrix,
            .first_row = first_row});
  }
  // Vectors that the model does not have are empty and skipped.
  void Whole(const std::string& name, Tensor& vector) {
    if (!vector.empty()) Part(name, vector, 0, vector.shape()[0]);
  }
  void Part(const std::string& name, Tensor& vector, int64_t first, int64_t size) {
    if (vector.empty()) return;
    visit_({.name = name, .shape = {size}, .vector = &vector, .first_row = first});
  }

  void Attention(const std::string& prefix, const ModelConfig& config,
                 AttentionTensors<M>& weights) {
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

  void FeedForward(const std::string& prefix, FeedForwardTensors<M>& weights) {
    GateUpDown(prefix, weights.gate_up, weights.down);
    const int64_t intermediate = NumColumns(weights.down);
    Part(prefix + "gate_proj.bias", weights.gate_up_bias, 0, intermediate);
    Part(prefix + "up_proj.bias", weights.gate_up_bias, intermediate, intermediate);
    Whole(prefix + "down_proj.bias", weights.down_bias);
  }

  void GateUpDown(const std::string& prefix, M& gate_up, M& down) {
    MatrixRows(prefix + "gate_proj.weight", gate_up, 0, NumColumns(down));
    MatrixRows(prefix + "up_proj.weight", gate_up, NumColumns(down), NumColumns(down));
    Matrix(prefix + "down_proj.weight", down);
  }

  void Moe(const std::string& prefix, MoeTensors<M>& weights) {
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
  const std::function<void(const ParameterOf<M>&)>& visit_;
};

template <typename M>
void Visit(const ModelConfig& config, ModelTensors<M>& tensors,
           const std::function<void(const ParameterOf<M>&)>& visit) {
  Walk<M> walk(visit);
  walk.Matrix("model.embed_tokens.weight", tensors.embedding);
  for (size_t index = 0; index < tensors.layers.size(); ++index) {
    LayerTensors<M>& layer = tensors.layers[index];
    const std::string prefix = "model.layers." + std::to_string(index) + ".";
    walk.Whole(prefix + "input_layernorm.weight", layer.attention.norm);
    walk.Attention(prefix + "self_attn.", config, layer.attention);
    walk.Whole(prefix + "post_attention_layernorm.weight", layer.ffn_norm);
    if (layer.dense) walk.FeedForward(prefix + "mlp.", *layer.dense);
    if (layer.moe) walk.Moe(prefix + "mlp.", *layer.moe);
  }
  walk.Whole("model.norm.weight", tensors.final_norm);
  if (!tensors.head.empty()) walk.Matrix("lm_head.weight", tensors.head);
}

}  // namespace

int64_t ModelWeights::size_bytes() const {
  int64_t total = 0;
  const auto add = [&](const auto& tensor) { total += tensor.size_bytes(); };
  ForEachTensor(*this, add, add);
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

ModelWeights MoveToDevice(Context& context, ModelWeights weights) {
  ForEachTensor(
      weights,
      [&](PackedMatrix& matrix) {
        if (matrix.empty()) return;
        if (matrix.device() != context.device) {
          matrix = CopyMatrix(context, matrix, context.device);
        }
        PrepareMatmul(context, matrix);
      },
      [&](Tensor& vector) {
        if (vector.empty() || vector.device() == context.device) return;
        Tensor copy(vector.dtype(), vector.shape(), context.device);
        Copy(context, vector, copy);
        vector = std::move(copy);
      });
  return weights;
}

void ForEachParameter(const ModelConfig& config, ModelTensors<PackedMatrix>& weights,
                      const std::function<void(const Parameter&)>& visit) {
  Visit(config, weights, visit);
}

void ForEachParameter(const ModelConfig& config, ModelTensors<Tensor>& tensors,
                      const std::function<void(const ParameterOf<Tensor>&)>& visit) {
  Visit(config, tensors, visit);
}

}  // namespace tandem
