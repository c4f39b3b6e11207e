#pragma once
// The weights of one model in the form that the kernels read: matrices packed once, vectors in
// fp32. Owned by the runner (or the trainer, whose optimiser writes these very tensors while no
// step runs).

#include <functional>
#include <string>
#include <vector>

#include "engine/config/model_config.h"
#include "engine/model/model_tensors.h"
#include "kernels/core/context.h"
#include "kernels/matmul.h"

namespace tandem {

using AttentionWeights = AttentionTensors<PackedMatrix>;
using FeedForwardWeights = FeedForwardTensors<PackedMatrix>;
using MoeWeights = MoeTensors<PackedMatrix>;
using LayerWeights = LayerTensors<PackedMatrix>;

struct ModelWeights : ModelTensors<PackedMatrix> {
  DType dtype = DType::kF32;  // of every matrix but the routers

  int64_t size_bytes() const;
};

// All tensors allocated, all values zero.
ModelWeights AllocateWeights(const ModelConfig& config, DType dtype);

// The same weights on the context's device, to which they move one by one. There after Synchronize.
ModelWeights MoveToDevice(Context& context, ModelWeights weights);

// One named tensor of a checkpoint and where it goes: rows first_row.. of a matrix, or elements
// first_row.. of a vector.
template <typename Matrix>
struct ParameterOf {
  std::string name;  // as Hugging Face writes it: "model.layers.0.self_attn.q_proj.weight"
  Shape shape;
  Matrix* matrix = nullptr;
  Tensor* vector = nullptr;
  int64_t first_row = 0;
};
using Parameter = ParameterOf<PackedMatrix>;

// Visits every parameter of the model in checkpoint order: the one place that knows the names.
void ForEachParameter(const ModelConfig& config, ModelTensors<PackedMatrix>& weights,
                      const std::function<void(const Parameter&)>& visit);
// The same for gradients and the like, whose matrices lie in rows.
void ForEachParameter(const ModelConfig& config, ModelTensors<Tensor>& tensors,
                      const std::function<void(const ParameterOf<Tensor>&)>& visit);

}  // namespace tandem
