#pragma once
// MatmulGrouped of few rows in any order, with `groups`; without `activated` where the weights are
// not for mma.

#include "kernels/core/context.h"
#include "kernels/moe.h"

namespace tandem::cuda {

void MatmulUnsorted(Context& context, const MatmulGroupedArgs& args);

}  // namespace tandem::cuda
