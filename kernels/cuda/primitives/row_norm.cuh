#pragma once
// What RmsNorm, its backward and AttentionInputs know of a row, in the order that gives all of them
// the same bits: a lane sums every 32nd square, ascending; then a butterfly over the lanes.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {

// 1 / sqrt(mean(x^2) + eps) from the lanes' sums of squares.
__device__ __forceinline__ float InverseRootMeanSquare(float squares, int64_t width, float eps) {
  const float mean = __fdiv_rn(WarpSum(squares), static_cast<float>(width));
  return __fdiv_rn(1.0f, __fsqrt_rn(mean + eps));
}

// The same of a row of which element(i) gives x[i]: called once for each i, by one lane.
template <typename Element>
__device__ __forceinline__ float InverseRootMeanSquareOf(int64_t width, float eps,
                                                         const Element& element) {
  float squares = 0.0f;
  for (int64_t i = threadIdx.x % kWarp; i < width; i += kWarp) {
    const float value = element(i);
    squares += value * value;
  }
  return InverseRootMeanSquare(squares, width, eps);
}

}  // namespace tandem::cuda
