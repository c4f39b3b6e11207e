#pragma once
// The optimiser over a whole model: gradient norm, clipping, AdamW on every master tensor. Owns the
// moments; used by the trainer's thread.

#include <cstdint>
#include <string>

#include "engine/model/weights.h"
#include "kernels/core/context.h"

namespace tandem {

// Which tensors weight decay pulls towards zero.
enum class DecayGroup : uint8_t {
  kMatrices,  // not norms, biases or the embedding
  kAll,       // as PyTorch's AdamW when nothing is said (MiniMind)
};

struct OptimizerOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double decay = 0.1;
  DecayGroup decay_group = DecayGroup::kMatrices;
  double max_norm = 1.0;  // of the whole gradient; larger ones are scaled down. 0: no clipping
};

// The Euclidean norm of all gradients, in ForEachTensor's order; not finite when one is not.
double GradientNorm(Context& context, const ModelTensors<Tensor>& gradients);

class Optimizer {
 public:
  // `masters` gives the shapes.
  Optimizer(const ModelTensors<Tensor>& masters, const OptimizerOptions& options);

  // One step on `masters`. `norm` is GradientNorm of `gradients`, and finite.
  void Step(Context& context, ModelTensors<Tensor>& masters, const ModelTensors<Tensor>& gradients,
            double norm, double rate);

  int64_t num_steps() const { return num_steps_; }
  // After the moments were written: goes on as after that many steps.
  void Restore(int64_t num_steps) { num_steps_ = num_steps; }
  ModelTensors<Tensor>& first_moments() { return m_; }
  ModelTensors<Tensor>& second_moments() { return v_; }

 private:
  OptimizerOptions options_;
  ModelTensors<Tensor> m_;
  ModelTensors<Tensor> v_;
  int64_t num_steps_ = 0;
};

}  // namespace tandem
