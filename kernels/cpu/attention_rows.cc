// Attention over f32 and widened bf16 pages, compiled for each instruction set.

#include "kernels/cpu/attention_kernel.h"

namespace tandem::cpu::TANDEM_ISA {

constinit const AttentionKernel kAttentionF32 = Kernel<F32Cache>();
constinit const AttentionKernel kAttentionBf16 = Kernel<WidenedBf16Cache>();

}  // namespace tandem::cpu::TANDEM_ISA
