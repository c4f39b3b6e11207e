#pragma once
// SwiGLU's element-wise half and the residual sum; see kernels/activation.h.

#include <cstdint>

#include "kernels/core/dtype.h"

namespace tandem::cpu {

struct SiluMulRows {
  const float* gate_up = nullptr;  // [rows, 2 * width]
  int64_t width = 0;
  float* y_f32 = nullptr;  // [rows, width]; exactly one of the two is set
  BFloat16* y_bf16 = nullptr;
};

struct SiluMulBackwardRows {
  const float* gate_up = nullptr;  // [rows, 2 * width]
  const float* dy = nullptr;       // [rows, width]
  int64_t width = 0;
  float* d_f32 = nullptr;  // [rows, 2 * width]; exactly one of the two is set
  BFloat16* d_bf16 = nullptr;
};

using SiluMulBackwardFunction = void(const SiluMulBackwardRows& rows, int64_t begin, int64_t end);
using SiluMulFunction = void(const SiluMulRows& rows, int64_t begin, int64_t end);
using AddFunction = void(const float* x, float* y, int64_t begin, int64_t end);  // y += x

namespace portable {
SiluMulFunction SiluMul;
SiluMulBackwardFunction SiluMulBackward;
AddFunction Add;
}  // namespace portable
namespace avx2 {
SiluMulFunction SiluMul;
SiluMulBackwardFunction SiluMulBackward;
AddFunction Add;
}  // namespace avx2
namespace avx512 {
SiluMulFunction SiluMul;
SiluMulBackwardFunction SiluMulBackward;
AddFunction Add;
}  // namespace avx512

}  // namespace tandem::cpu
