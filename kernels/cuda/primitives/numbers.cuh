#pragma once
// Conversions and functions of one number, the same for every kernel.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace tandem::cuda {

template <typename T>
__device__ __forceinline__ float ToFloat(T value);
template <>
__device__ __forceinline__ float ToFloat(float value) {
  return value;
}
template <>
__device__ __forceinline__ float ToFloat(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
template <>
__device__ __forceinline__ float ToFloat(__half value) {
  return __half2float(value);
}

// Rounds to the nearest, ties to even.
template <typename T>
__device__ __forceinline__ T FromFloat(float value);
template <>
__device__ __forceinline__ float FromFloat(float value) {
  return value;
}
template <>
__device__ __forceinline__ __nv_bfloat16 FromFloat(float value) {
  return __float2bfloat16_rn(value);
}
template <>
__device__ __forceinline__ __half FromFloat(float value) {
  return __float2half_rn(value);
}

__device__ __forceinline__ float RoundToBf16(float value) {
  return __bfloat162float(__float2bfloat16_rn(value));
}

// e^x, the polynomial of the CPU kernels (kernels/cpu/vec.h), after Cephes' expf; 0 below -87.3,
// infinity above 88.7, NaN of NaN.
__device__ __forceinline__ float Exp(float x) {
  if (!(x <= 88.72283f)) return x + __int_as_float(0x7f800000);
  if (x < -87.33654f) return 0.0f;
  const float shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to integer
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return __uint_as_float(__float_as_uint(p) + (__float_as_uint(shifted) << 23));
}

// x / (1 + e^-x)
__device__ __forceinline__ float Silu(float x) { return __fdiv_rn(x, 1.0f + Exp(-x)); }

}  // namespace tandem::cuda
