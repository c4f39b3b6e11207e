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

struct AddArgs {
  ConstTensorView x;  // same shape as y, f32
  TensorView y;       // f32; y += x
};

void Add(Context& context, const AddArgs& args);

}  // namespace tandem
