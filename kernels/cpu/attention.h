#pragma once
// attention.h on the CPU; operands are already checked. Called by the thread that runs steps.

#include "kernels/attention.h"

namespace tandem::cpu {

void Attention(Context& context, const AttentionArgs& args);

}  // namespace tandem::cpu
