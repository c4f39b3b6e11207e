#include "kernels/cpu/quantize_rows.h"

namespace tandem::cpu {

const RowConversions& RowConversionsFor(InstructionSet isa) {
  if (isa >= InstructionSet::kAvx512) return avx512::kRowConversions;
  return isa >= InstructionSet::kAvx2 ? avx2::kRowConversions : portable::kRowConversions;
}

}  // namespace tandem::cpu
