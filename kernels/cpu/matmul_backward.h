#pragma once
// The backward of Matmul on the CPU: packing of columns, and the weights' gradient. Shapes and
// dtypes are checked by the callers.

#include "kernels/core/context.h"
#include "kernels/matmul.h"

namespace tandem::cpu {

// w [k, n] into panels of w^T in `dtype`, as PackedMatrix lays them out.
void PackColumns(Context& context, ConstTensorView w, DType dtype, std::byte* panels);

void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args);

}  // namespace tandem::cpu
