// Bound by memory: half a warp does a block of the sum, a lane each of its sixteen, so that a step
// of a warp reads two whole lines. One thread then adds the blocks' sums in double; that is a chain
// of num_blocks additions, 1.2 thousand for an embedding of 4.9 million elements.

#include "kernels/core/device_memory.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/warp.cuh"
#include "kernels/optimizer.h"

namespace tandem::cuda {
namespace {

constexpr int kLanes = 16;
constexpr int kThreads = 128;
constexpr int kSumThreads = 1024;

struct SquareBlocks {
  const float* x;
  int64_t count;
  float* sums;  // [num_blocks]
  int64_t num_blocks;
};

__global__ void __launch_bounds__(kThreads) SquaresKernel(SquareBlocks work) {
  const int64_t block = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kLanes;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int64_t first = block * kSquaresBlock;
  const int64_t last = first + kSquaresBlock < work.count ? first + kSquaresBlock : work.count;
  float sum = 0.0f;
#pragma unroll 8
  for (int64_t i = first + lane; i < last; i += kLanes) sum += work.x[i] * work.x[i];
  // The tree: lane i with i + 8, then + 4, + 2, + 1.
  for (int step = kLanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
  if (lane == 0 && block < work.num_blocks) work.sums[block] = sum;
}

struct StagedSums {
  float values[kSumThreads];
};

// One block. All threads read, the first adds.
__global__ void __launch_bounds__(kSumThreads)
    SumInDoubleKernel(const float* sums, int64_t num_sums, double* result) {
  auto& staged = StaticShared<StagedSums>();
  const int thread = static_cast<int>(threadIdx.x);
  double sum = 0.0;
  for (int64_t first = 0; first < num_sums; first += kSumThreads) {
    const int64_t left = num_sums - first;
    const int count = static_cast<int>(left < kSumThreads ? left : kSumThreads);
    if (thread < count) staged.values[thread] = sums[first + thread];
    __syncthreads();
    if (thread == 0) {
#pragma unroll 8
      for (int i = 0; i < count; ++i) sum += static_cast<double>(staged.values[i]);
    }
    __syncthreads();
  }
  if (thread == 0) *result = sum;
}

}  // namespace

void SumOfSquares(Context& context, const SumOfSquaresArgs& args) {
  const int64_t count = args.x.num_elements();
  const int64_t num_blocks = (count + kSquaresBlock - 1) / kSquaresBlock;
  *args.result = 0.0;
  if (count == 0) return;
  WorkspaceScope scratch(context.workspace);
  const SquareBlocks work{args.x.data<float>(), count, scratch.Take<float>(num_blocks), num_blocks};
  auto* const sum = scratch.Take<double>(1);
  Launch("sum_of_squares", {NumBlocks(num_blocks, kThreads / kLanes), kThreads}, context.stream,
         SquaresKernel, work);
  Launch("sum_of_squares_in_double", {1, kSumThreads}, context.stream, SumInDoubleKernel, work.sums,
         num_blocks, sum);
  DeviceMemoryOf(context.device).copy(context, args.result, sum, sizeof(double));
  Synchronize(context);
}

}  // namespace tandem::cuda
