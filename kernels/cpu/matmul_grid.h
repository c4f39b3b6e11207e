#pragma once
// One product, dealt out to the threads of the pool.

#include "kernels/core/context.h"
#include "kernels/cpu/matmul_kernel.h"

namespace tandem::cpu {

// `tokens` rows of x, of k elements, times all panels.
void RunMatmul(Context& context, const MatmulKernel& kernel, const MatmulOperands& operands,
               int64_t k, int64_t tokens);

}  // namespace tandem::cpu
