#pragma once
// RMSNorm (Zhang and Sennrich, 2019): y = x / sqrt(mean(x^2) + eps) * weight, one row at a time;
// the sum of squares goes over 16 lanes ascending, then a fixed tree.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/gradient.h"

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

// With n = x / sqrt(mean(x^2) + eps) and g = dy * weight, taking roundings for the identity:
//   dx (=, +=) (g - n * mean(g * n)) / sqrt(mean(x^2) + eps)
//   dweight = sum over rows of dy * n
// dweight's sum goes in blocks of rows (kernels/gradient.h).
struct RmsNormBackwardArgs {
  ConstTensorView x;       // [rows, width], f32: what RmsNorm read (after the residual sum)
  ConstTensorView weight;  // [width], f32
  float eps = 1e-5f;
  ConstTensorView dy;                            // [rows, width], f32
  TensorView dx;                                 // [rows, width], f32; with kStore it may be dy
  GradientOutput output = GradientOutput::kAdd;  // of dx
  TensorView dweight;                            // [width], f32; =
};

void RmsNormBackward(Context& context, const RmsNormBackwardArgs& args);

}  // namespace tandem
