#pragma once
// Rows of x in the form that a matmul kernel reads (InputForm).

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/cpu/matmul_kernel.h"

namespace tandem::cpu {

struct MatmulInput {
  const std::byte* rows;
  int64_t row_bytes;
};

// x itself where it already has the form, else a copy that lives as long as `scope`.
MatmulInput PrepareMatmulInput(Context& context, WorkspaceScope& scope, const MatmulKernel& kernel,
                               ConstTensorView x);  // [tokens, k], f32, bf16 or i8

}  // namespace tandem::cpu
