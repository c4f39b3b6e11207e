#include "kernels/cpu/quantize_rows.h"

namespace tandem::cpu {

const RowConversions& RowConversionsFor(InstructionSet isa) {
  switch (isa) {
#if defined(__x86_64__)
    case InstructionSet::kAmx:
    case InstructionSet::kAvx512Bf16:
    case InstructionSet::kAvx512:
      return avx512::kRowConversions;
    case InstructionSet::kAvx2:
      return avx2::kRowConversions;
#endif
    default:
      return portable::kRowConversions;
  }
}

}  // namespace tandem::cpu
