#include "trainer/loss_scaler.h"

#include <algorithm>

#include "kernels/core/check.h"
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
  constexpr int64_t kGrain = 16384;
  for (Tensor* gradient : AllTensors(gradients)) {
    float* values = gradient->data<float>();
    context.pool.ForRanges(
        gradient->shape().num_elements(), kGrain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            values[i] = static_cast<float>(static_cast<double>(values[i]) * factor);
        });
  }
}

}  // namespace tandem
