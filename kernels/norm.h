#pragma once
// RMSNorm (Zhang and Sennrich, 2019): y = x / sqrt(mean(x^2) + eps) * weight, one row at a time;
// the sum of squares goes over 16 lanes ascending, then a fixed tree.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

// Where a 16-bit result is rounded. Without effect when y is f32.
enum class NormCast : uint8_t {
  kAfterWeight,   // y = round(weight * n): MiniMind-3
  kBeforeWeight,  // y = round(weight * round(n)): Llama, Qwen, MiniMind2
};

struct RmsNormArgs {
  TensorView x;             // [rows, width], f32; changed only when delta is given
  ConstTensorView delta{};  // [rows, width], f32, or empty: x += delta first (the residual sum)
  ConstTensorView weight;   // [width], f32
  float eps = 1e-5f;
  NormCast cast = NormCast::kBeforeWeight;
  TensorView y;  // [rows, width], f32 or bf16; may be x when f32 (in place)
};

// For per-head q/k norm, pass [tokens * heads, head_dim].
void RmsNorm(Context& context, const RmsNormArgs& args);

}  // namespace tandem
