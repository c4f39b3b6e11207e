#pragma once
// The optimiser over a whole model: gradient norm, clipping, AdamW on every master tensor, or Muon
// on the hidden matrices and AdamW on the others. Owns the moments; used by the trainer's thread.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/weights.h"
#include "kernels/core/context.h"

namespace tandem {

// Which tensors weight decay pulls towards zero.
enum class DecayGroup : uint8_t {
  kMatrices,  // not norms, biases or the embedding
  kAll,       // as PyTorch's AdamW when nothing is said (MiniMind)
};

enum class OptimizerKind : uint8_t {
  kAdamW,
  kMuon,  // hidden matrices only (trainer/muon.h); the others by AdamW
};

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double decay = 0.1;
  DecayGroup decay_group = DecayGroup::kMatrices;
  double momentum = 0.95;  // Muon's
  double max_norm = 1.0;   // of the whole gradient; larger ones are scaled down. 0: no clipping
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
  // Those of Muon's matrices are empty.
  ModelTensors<Tensor>& second_moments() { return v_; }

 private:
  // One master tensor, and all that a step needs with it.
  struct Slot {
    Tensor& weights;
    const Tensor& gradient;
    Tensor& m;
    double decay;
  };
  void StepMuon(Context& context, const Slot& slot, const std::vector<int64_t>& rows, float scale,
                double rate) const;

  OptimizerOptions options_;
  // By index in AllTensors: the rows of each matrix that Muon trains; empty: AdamW does.
  std::vector<std::vector<int64_t>> muon_rows_;
  ModelTensors<Tensor> m_;
  ModelTensors<Tensor> v_;
  int64_t num_steps_ = 0;
};

}  // namespace tandem
