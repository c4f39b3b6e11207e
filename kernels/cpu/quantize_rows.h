#pragma once
// Conversions of one row, compiled once for each instruction set with the same bits everywhere.

#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.h"
#include "kernels/core/instruction_set.h"

namespace tandem::cpu {

struct RowConversions {
  // Returns the scale (QuantizeRowsArgs says which); y is all zeros where the scale is 0 or NaN.
  float (*quantize)(const float* x, int64_t width, int8_t* y);
  // Between f32, bf16 and f16, to nearest even.
  void (*convert)(const std::byte* x, DType from, std::byte* y, DType to, int64_t count);
};

namespace portable {
extern const RowConversions kRowConversions;
}
namespace avx2 {
extern const RowConversions kRowConversions;
}
namespace avx512 {
extern const RowConversions kRowConversions;
}

const RowConversions& RowConversionsFor(InstructionSet isa);

}  // namespace tandem::cpu
