#include "trainer/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/optimizer.h"
#include "trainer/training_weights.h"

namespace tandem {
namespace {

// Matrices in rows have two dimensions. The embedding comes first in ForEachTensor's order.
bool Decays(const Tensor& tensor, size_t index, DecayGroup group) {
  return group == DecayGroup::kAll || (tensor.shape().rank() == 2 && index > 0);
}

}  // namespace

double GradientNorm(Context& context, const ModelTensors<Tensor>& gradients) {
  double sum = 0;
  for (const Tensor* gradient : AllTensors(gradients)) sum += SumOfSquares(context, *gradient);
  return std::sqrt(sum);
}

Optimizer::Optimizer(const ModelTensors<Tensor>& masters, const OptimizerOptions& options)
    : options_(options), m_(ZeroTensors(masters)), v_(ZeroTensors(masters)) {}

void Optimizer::Step(Context& context, ModelTensors<Tensor>& masters,
                     const ModelTensors<Tensor>& gradients, double norm, double rate) {
  CHECK(std::isfinite(norm), norm);
  ++num_steps_;
  // As torch.nn.utils.clip_grad_norm_.
  const double clip =
      options_.max_norm > 0 ? std::min(options_.max_norm / (norm + 1e-6), 1.0) : 1.0;
  const std::vector<Tensor*> weights = AllTensors(masters), m = AllTensors(m_), v = AllTensors(v_);
  const std::vector<const Tensor*> g = AllTensors(gradients);
  CHECK(g.size() == weights.size() && m.size() == weights.size(), g.size(), weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    AdamW(context, {.weights = *weights[i],
                    .gradient = *g[i],
                    .m = *m[i],
                    .v = *v[i],
                    .scale = static_cast<float>(clip),
                    .rate = rate,
                    .beta1 = options_.beta1,
                    .beta2 = options_.beta2,
                    .eps = options_.eps,
                    .decay = Decays(*weights[i], i, options_.decay_group) ? options_.decay : 0.0,
                    .step = num_steps_});
  }
}

}  // namespace tandem
