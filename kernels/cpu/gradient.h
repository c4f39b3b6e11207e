#pragma once
// The second half of every sum over blocks of rows.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem::cpu {

// sum [width] = the rows of partials [blocks, width], ascending; zeros when there are none. f32.
void SumBlocks(Context& context, ConstTensorView partials, TensorView sum);

}  // namespace tandem::cpu
