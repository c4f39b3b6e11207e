// Bound by memory. A warp does a row, in the order of primitives/row_norm.cuh.

#include "kernels/norm.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/row_norm.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {
namespace {

constexpr int kRowsPerBlock = 4;

template <typename Y>
struct RmsNormWork {
  float* x;
  const float* delta;  // or null
  const float* weight;
  Y* y;
  int64_t rows;
  int64_t width;
  float eps;
};

template <typename Y, bool kRoundBeforeWeight>
__global__ void __launch_bounds__(kRowsPerBlock* kWarp) RmsNormKernel(RmsNormWork<Y> work) {
  AwaitPrevious();
  LetNextStart();
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= work.rows) return;  // whole warps, and nobody meets at a barrier
  const int64_t first = threadIdx.x % kWarp;
  float* x = work.x + row * work.width;
  const float* delta = work.delta == nullptr ? nullptr : work.delta + row * work.width;
  const float scale = InverseRootMeanSquareOf(work.width, work.eps, [&](int64_t i) {
    float value = x[i];
    if (delta != nullptr) {
      value += delta[i];
      x[i] = value;
    }
    return value;
  });
  Y* y = work.y + row * work.width;
  for (int64_t i = first; i < work.width; i += kWarp) {
    float normal = x[i] * scale;  // each lane reads what it wrote itself
    if (kRoundBeforeWeight) normal = RoundToBf16(normal);
    y[i] = FromFloat<Y>(work.weight[i] * normal);
  }
}

template <typename Y, bool kRoundBeforeWeight>
void Run(Context& context, const RmsNormArgs& args) {
  const RmsNormWork<Y> work{
      .x = args.x.data<float>(),
      .delta = args.delta.empty() ? nullptr : args.delta.data<float>(),
      .weight = args.weight.data<float>(),
      .y = reinterpret_cast<Y*>(args.y.bytes()),
      .rows = args.x.dim(0),
      .width = args.x.dim(1),
      .eps = args.eps,
  };
  const LaunchShape shape{.grid = NumBlocks(work.rows, kRowsPerBlock),
                          .block = kRowsPerBlock * kWarp,
                          .waits_inside = true};
  Launch("rms_norm", shape, context.stream, RmsNormKernel<Y, kRoundBeforeWeight>, work);
}

}  // namespace

void RmsNorm(Context& context, const RmsNormArgs& args) {
  if (args.x.num_elements() == 0) return;
  if (args.y.dtype() == DType::kF32) {
    Run<float, false>(context, args);
  } else if (args.cast == NormCast::kBeforeWeight) {
    Run<__nv_bfloat16, true>(context, args);
  } else {
    Run<__nv_bfloat16, false>(context, args);
  }
}

}  // namespace tandem::cuda
