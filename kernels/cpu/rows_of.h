#pragma once
// Chooses among the three compilations of a *_rows.cc function. An op's <op>_rows.h declares it in
// the namespaces portable, avx2 and avx512; the op's .cc picks one for the Context's instruction
// set.

#include "kernels/core/instruction_set.h"

namespace tandem::cpu {

template <typename Function>
Function* RowsOf(InstructionSet isa, Function& portable, Function& avx2, Function& avx512) {
  if (isa >= InstructionSet::kAvx512) return &avx512;
  return isa >= InstructionSet::kAvx2 ? &avx2 : &portable;
}

// Rows that are worth a thread's start: about 16 thousand elements, a few microseconds of work.
constexpr int64_t GrainRows(int64_t elements_per_row) {
  constexpr int64_t kElements = 16384;
  return elements_per_row >= kElements ? 1
                                       : kElements / (elements_per_row > 0 ? elements_per_row : 1);
}

}  // namespace tandem::cpu
