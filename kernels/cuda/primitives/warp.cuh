#pragma once
// Sums and maxima over the lanes of a warp, or over a block of whole warps, in one fixed order: a
// butterfly over the lanes, then the warps ascending. Every thread gets the result.

#include <cuda_runtime.h>

#include "kernels/cuda/primitives/ptx.cuh"

namespace tandem::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

__device__ __forceinline__ float WarpSum(float value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

// NaN is larger than all.
__device__ __forceinline__ float LargerOrNan(float a, float b) { return a > b || a != a ? a : b; }

__device__ __forceinline__ float WarpMax(float value) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value = LargerOrNan(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  return value;
}

template <int kThreads>
struct BlockScratch {
  float of_warp[kThreads / kWarp];
};

// All threads of the block call it. `scratch` is free again after the next barrier.
template <int kThreads>
__device__ __forceinline__ float BlockSum(float value, BlockScratch<kThreads>& scratch) {
  static_assert(kThreads % kWarp == 0);
  value = WarpSum(value);
  if (threadIdx.x % kWarp == 0) scratch.of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float sum = scratch.of_warp[0];
  for (int warp = 1; warp < kThreads / kWarp; ++warp) sum += scratch.of_warp[warp];
  return sum;
}

template <int kThreads>
__device__ __forceinline__ float BlockMax(float value, BlockScratch<kThreads>& scratch) {
  static_assert(kThreads % kWarp == 0);
  value = WarpMax(value);
  if (threadIdx.x % kWarp == 0) scratch.of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float largest = scratch.of_warp[0];
  for (int warp = 1; warp < kThreads / kWarp; ++warp) {
    largest = LargerOrNan(largest, scratch.of_warp[warp]);
  }
  return largest;
}

}  // namespace tandem::cuda
