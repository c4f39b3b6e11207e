#pragma once
// A row in i8: y = round_half_even(x * (127 / max|x|)), as kernels/cpu/quantize_rows.cc has it.

#include <cuda_runtime.h>

#include <cstdint>

namespace tandem::cuda {

struct RowScale {
  float scale;    // NaN of a row that is not finite, 0 of one that is all zero
  float inverse;  // 0 of both
};

// Of a row's largest magnitude. Below the least here a scale would be denormal, hence flushed: such
// a row counts as all zero.
__device__ __forceinline__ RowScale RowScaleOf(float largest) {
  constexpr float kLeast = 127.0f * 1.17549435e-38f;
  if (!(largest < __int_as_float(0x7f800000))) return {__int_as_float(0x7fc00000), 0.0f};
  if (largest < kLeast) return {0.0f, 0.0f};
  return {__fdiv_rn(largest, 127.0f), __fdiv_rn(127.0f, largest)};
}

// Zero where the inverse is, whatever the value.
__device__ __forceinline__ int8_t Quantized(float value, float inverse) {
  return inverse == 0.0f ? int8_t{0} : static_cast<int8_t>(rintf(value * inverse));
}

}  // namespace tandem::cuda
