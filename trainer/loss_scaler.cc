#include "trainer/loss_scaler.h"

#include <algorithm>

#include "kernels/core/check.h"
#include "kernels/optimizer.h"
#include "trainer/training_weights.h"

namespace tandem {

LossScaler::LossScaler(const LossScalingOptions& options)
    : options_(options), state_{.scale = options.initial} {
  CHECK(options.initial >= kSmallestLossScale && options.initial <= kLargestLossScale,
        options.initial);
  CHECK(options.growth_steps >= 1, options.growth_steps);
}

void LossScaler::Grow() {
  if (++state_.num_good < options_.growth_steps) return;
  state_ = {.scale = std::min(state_.scale * 2.0, kLargestLossScale)};
}

bool LossScaler::Shrink() {
  const bool can_fall = state_.scale > kSmallestLossScale;
  state_ = {.scale = std::max(state_.scale * 0.5, kSmallestLossScale)};
  return can_fall;
}

void ScaleGradients(Context& context, ModelTensors<Tensor>& gradients, double factor) {
  for (Tensor* gradient : AllTensors(gradients)) {
    Scale(context, {.x = *gradient, .factor = factor});
  }
}

}  // namespace tandem
