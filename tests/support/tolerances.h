#pragma once
// The one table of tolerances. Loosening an entry needs the reason in the same commit.

#include "kernels/core/dtype.h"

namespace tandem {

// Largest allowed |got - want| relative to the largest |want| of the compared tensor, where `want`
// is computed in double precision from the same (already rounded) operands.
constexpr double OpTolerance(DType computed_in) {
  switch (computed_in) {
    case DType::kF32:
      return 2e-6;
    case DType::kBf16:
      return 8e-3;  // one rounding of an operand or result to 8 bits
    case DType::kF16:
      return 1e-3;
    case DType::kI8:
      return 2e-6;  // integers are exact; only the fp32 scaling rounds
    case DType::kU8:
    case DType::kI32:
    case DType::kI64:
      return 0;
  }
  return 0;
}

// Whole-model logits in fp32 against PyTorch in fp32 (issue's bound).
constexpr double kGoldenLogitTolerance = 1e-4;

}  // namespace tandem
