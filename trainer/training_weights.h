#pragma once
// The fp32 master weights of a model in training, and the compute weights made of them: the very
// ModelWeights that the engine reads, and the transposed matrices that backward reads. Owned by the
// trainer; written by its thread while no step runs.

#include <optional>
#include <vector>

#include "engine/model/weights.h"
#include "kernels/core/context.h"

namespace tandem {

class TrainingWeights {
 public:
  // `compute` outlives this; f32, f16 or bf16. The masters start as its values.
  TrainingWeights(Context& context, ModelWeights& compute);

  const ModelWeights& compute() const { return compute_; }
  // [k, n] of each matrix [n, k] of compute(), in its dtype; vectors are empty.
  const ModelTensors<PackedMatrix>& columns() const { return columns_; }
  ModelTensors<Tensor>& masters() { return masters_; }
  const ModelTensors<Tensor>& masters() const { return masters_; }

  // Makes the compute weights of the masters.
  void Publish(Context& context);

 private:
  ModelWeights& compute_;
  ModelTensors<PackedMatrix> columns_;
  ModelTensors<Tensor> masters_;
};

// One f32 tensor, zero, for each tensor of `like`: gradients, moments. Where those of `like` are,
// or on the given device.
ModelTensors<Tensor> ZeroTensors(const ModelTensors<Tensor>& like,
                                 std::optional<Device> device = std::nullopt);

// Every tensor of `from` into its counterpart of `to`, which has the same structure and shapes.
void CopyTensors(Context& context, const ModelTensors<Tensor>& from, ModelTensors<Tensor>& to);

// The tensors that exist, in ForEachTensor's order: matrices and vectors alike.
std::vector<Tensor*> AllTensors(ModelTensors<Tensor>& tensors);
std::vector<const Tensor*> AllTensors(const ModelTensors<Tensor>& tensors);

}  // namespace tandem
