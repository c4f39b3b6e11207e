#pragma once
// Matmul and MatmulGrouped on the CPU. Shapes and dtypes are checked by the callers.

#include "kernels/core/context.h"
#include "kernels/matmul.h"
#include "kernels/moe.h"

namespace tandem::cpu {

void Matmul(Context& context, const MatmulArgs& args);
void MatmulGrouped(Context& context, const MatmulGroupedArgs& args);

}  // namespace tandem::cpu
