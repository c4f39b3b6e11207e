#pragma once
// SwiGLU's element-wise half (Shazeer, 2020): y = silu(gate) * up.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct SiluMulArgs {
  ConstTensorView gate_up;  // [tokens, 2 * width], f32: gate, then up
  TensorView y;             // [tokens, width], f32 or bf16
};

// silu(x) = x / (1 + e^-x), computed in f32, rounded once at the end.
void SiluMul(Context& context, const SiluMulArgs& args);

// With s = sigmoid(gate): dgate = dy * up * s * (1 + gate * (1 - s)), dup = dy * gate * s.
struct SiluMulBackwardArgs {
  ConstTensorView gate_up;  // [tokens, 2 * width], f32: what SiluMul read
  ConstTensorView dy;       // [tokens, width], f32
  TensorView dgate_up;      // [tokens, 2 * width], f32 or bf16; = ; may be gate_up when f32
};

void SiluMulBackward(Context& context, const SiluMulBackwardArgs& args);

struct AddArgs {
  ConstTensorView x;  // same shape as y, f32
  TensorView y;       // f32; y += x
};

void Add(Context& context, const AddArgs& args);

}  // namespace tandem
