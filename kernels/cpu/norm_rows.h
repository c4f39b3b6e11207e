#pragma once
// RMSNorm of rows [begin, end); see kernels/norm.h for the arithmetic.

#include <cstdint>

#include "kernels/core/dtype.h"

namespace tandem::cpu {

struct RmsNormRows {
  float* x = nullptr;             // [rows, width]
  const float* delta = nullptr;   // [rows, width] or null: x += delta first
  const float* weight = nullptr;  // [width]
  int64_t width = 0;
  float eps = 0.0f;
  bool round_before_weight = false;  // bf16 results only
  float* y_f32 = nullptr;            // [rows, width]; exactly one of the two is set
  BFloat16* y_bf16 = nullptr;
};

using RmsNormFunction = void(const RmsNormRows& rows, int64_t begin, int64_t end);

namespace portable {
RmsNormFunction RmsNorm;
}
namespace avx2 {
RmsNormFunction RmsNorm;
}
namespace avx512 {
RmsNormFunction RmsNorm;
}

}  // namespace tandem::cpu
