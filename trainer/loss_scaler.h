#pragma once
// Dynamic loss scaling for fp16: gradients are those of the loss times a factor, so that small ones
// do not vanish; the factor falls when they overflow, and grows while they do not. Owned by the
// trainer. A checkpoint keeps its state.

#include <cstdint>

#include "engine/model/weights.h"
#include "kernels/core/context.h"

namespace tandem {

struct LossScalingOptions {
  double initial = 65536.0;     // a power of two, so that scaling changes no bit by itself
  int64_t growth_steps = 2000;  // in a row without overflow, after which the scale doubles
};

// No lower: a gradient that overflows unscaled is broken.
inline constexpr double kSmallestLossScale = 1.0;
// No larger: the loss itself has to stay in f32.
inline constexpr double kLargestLossScale = 0x1p127;

struct LossScalerState {
  double scale = 1.0;
  int64_t num_good = 0;  // steps in a row since the scale last changed
  bool operator==(const LossScalerState&) const = default;
};

class LossScaler {
 public:
  explicit LossScaler(const LossScalingOptions& options);

  double scale() const { return state_.scale; }
  // After a step whose gradients were finite.
  void Grow();
  // After one whose gradients were not. False: the scale has no further to fall.
  bool Shrink();

  const LossScalerState& state() const { return state_; }
  void Restore(const LossScalerState& state) { state_ = state; }

 private:
  LossScalingOptions options_;
  LossScalerState state_;
};

// gradients *= factor.
void ScaleGradients(Context& context, ModelTensors<Tensor>& gradients, double factor);

}  // namespace tandem
