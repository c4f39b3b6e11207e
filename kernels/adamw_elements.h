#pragma once
// AdamW as kernels take it: one step's factors, in f32, and the tensors. Plain data, so that files
// of any instruction set or device may include it.

namespace tandem {

struct AdamWArgs;

struct AdamWElements {
  float* weights = nullptr;
  const float* gradient = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  float scale = 1.0f;
  float keep = 1.0f;  // 1 - rate * decay
  float one_minus_beta1 = 0.0f;
  float beta2 = 0.0f;
  float one_minus_beta2 = 0.0f;
  float inverse_root = 1.0f;  // 1 / sqrt(1 - beta2^step)
  float eps = 0.0f;
  float step_size = 0.0f;  // rate / (1 - beta1^step)
};

// Factors are computed in double and rounded once (kernels/optimizer.cc).
AdamWElements ElementsOf(const AdamWArgs& args);

}  // namespace tandem
