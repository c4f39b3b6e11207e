// Attention over bf16 pages with the AVX-512 dot of bfloat16 pairs.

#define TANDEM_ISA avx512_bf16
#include "kernels/cpu/attention_kernel.h"

namespace tandem::cpu::avx512_bf16 {

constinit const AttentionKernel kAttentionBf16 = Kernel<Bf16Cache>();

}  // namespace tandem::cpu::avx512_bf16
