#pragma once
// A kernel that does the same for every index from 0 on.

#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/ptx.cuh"

namespace tandem::cuda {

inline constexpr int kElementwiseThreads = 256;

template <typename Body>
__global__ void __launch_bounds__(kElementwiseThreads) ForEachKernel(int64_t count, Body body) {
  AwaitPrevious();
  LetNextStart();
  const int64_t i = int64_t{blockIdx.x} * kElementwiseThreads + threadIdx.x;
  if (i < count) body(i);
}

// body(i) for 0 <= i < count; Body is a struct of pointers and sizes with a __device__ operator().
template <typename Body>
void ForEach(const char* name, void* stream, int64_t count, const Body& body) {
  if (count == 0) return;
  const LaunchShape shape{.grid = NumBlocks(count, kElementwiseThreads),
                          .block = kElementwiseThreads,
                          .waits_inside = true};
  Launch(name, shape, stream, ForEachKernel<Body>, count, body);
}

}  // namespace tandem::cuda
