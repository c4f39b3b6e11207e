#pragma once
// kv_pages.h on the CPU; operands are already checked. Called by the thread that runs steps.

#include "kernels/kv_pages.h"

namespace tandem::cpu {

void KvWrite(Context& context, const KvWriteArgs& args);
void KvCopyPage(const KvCopyPageArgs& args);

}  // namespace tandem::cpu
