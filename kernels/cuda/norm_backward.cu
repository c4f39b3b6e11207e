// Bound by memory, in three steps, so that the sum over rows (dweight) keeps its order while the
// whole device is busy: a warp a row sums what the row needs; a thread a column of kGradientRows
// rows does the rest of them, which mostly are in the second cache by then; the blocks' sums are
// added up. x and dy are read twice, dx is written once.

#include "kernels/norm.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/row_norm.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {
namespace {

constexpr int kRowsPerBlock = 4;
constexpr int kColumnsPerBlock = 128;
constexpr int kRowsAtOnce = 8;  // loads under way of a thread, as stores to dx may change dy

// Of one row: dx = (dy * weight - x * share) * scale.
struct RowFactors {
  float scale;  // 1 / sqrt(mean(x^2) + eps)
  float share;  // mean(dy * weight * x) * scale^2
};

struct RmsNormBackwardWork {
  const float* x;
  const float* weight;
  const float* dy;
  float* dx;
  RowFactors* factors;  // [rows]
  float* partials;      // [NumGradientBlocks(rows), width]: dweight of each
  int64_t rows;
  int64_t width;
  float eps;
};

// Lanes sum every 32nd element ascending, then a butterfly.
__global__ void __launch_bounds__(kRowsPerBlock* kWarp) RowFactorsKernel(RmsNormBackwardWork work) {
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= work.rows) return;  // whole warps, and nobody meets at a barrier
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const float* x = work.x + row * work.width;
  const float* dy = work.dy + row * work.width;
  float squares = 0.0f;
  float products = 0.0f;
#pragma unroll 4
  for (int64_t i = lane; i < work.width; i += kWarp) {
    const float value = x[i];
    squares += value * value;
    products += dy[i] * work.weight[i] * value;
  }
  const float scale = InverseRootMeanSquare(squares, work.width, work.eps);
  const float share = __fdiv_rn(WarpSum(products), static_cast<float>(work.width)) * scale * scale;
  if (lane == 0) work.factors[row] = {scale, share};
}

template <GradientOutput kOutput>
__global__ void __launch_bounds__(kColumnsPerBlock)
    RmsNormBackwardKernel(RmsNormBackwardWork work) {
  const int64_t column = int64_t{blockIdx.y} * kColumnsPerBlock + threadIdx.x;
  if (column >= work.width) return;
  const int64_t first = int64_t{blockIdx.x} * kGradientRows;
  const int64_t left = work.rows - first;
  const int count = static_cast<int>(left < kGradientRows ? left : kGradientRows);
  const float* x = work.x + first * work.width + column;
  const float* dy = work.dy + first * work.width + column;
  float* dx = work.dx + first * work.width + column;
  const RowFactors* factors = work.factors + first;
  const float weight = work.weight[column];
  float dweight = 0.0f;
  for (int begin = 0; begin < count; begin += kRowsAtOnce) {
    float value[kRowsAtOnce];
    float gradient[kRowsAtOnce];
    float before[kRowsAtOnce];
#pragma unroll
    for (int i = 0; i < kRowsAtOnce; ++i) {
      if (begin + i >= count) continue;
      const int64_t at = (begin + i) * work.width;
      value[i] = x[at];
      gradient[i] = dy[at];
      if (kOutput == GradientOutput::kAdd) before[i] = dx[at];
    }
#pragma unroll
    for (int i = 0; i < kRowsAtOnce; ++i) {
      if (begin + i >= count) continue;
      const RowFactors row = factors[begin + i];
      dweight += gradient[i] * (value[i] * row.scale);
      const float own = (gradient[i] * weight - value[i] * row.share) * row.scale;
      dx[(begin + i) * work.width] = kOutput == GradientOutput::kAdd ? before[i] + own : own;
    }
  }
  work.partials[blockIdx.x * work.width + column] = dweight;
}

// Blocks ascend.
struct SumBlocksBody {
  const float* partials;  // [num_blocks, width]
  float* sum;             // [width]
  int64_t num_blocks;
  int64_t width;

  __device__ void operator()(int64_t column) const {
    float value = 0.0f;
#pragma unroll 8
    for (int64_t i = 0; i < num_blocks; ++i) value += partials[i * width + column];
    sum[column] = value;
  }
};

template <GradientOutput kOutput>
void RunRows(Context& context, const RmsNormBackwardWork& work) {
  Launch("rms_norm_backward",
         {{NumBlocks(work.rows, kGradientRows), NumBlocks(work.width, kColumnsPerBlock)},
          kColumnsPerBlock},
         context.stream, RmsNormBackwardKernel<kOutput>, work);
}

}  // namespace

void RmsNormBackward(Context& context, const RmsNormBackwardArgs& args) {
  const int64_t rows = args.x.dim(0);
  const int64_t width = args.x.dim(1);
  if (width == 0) return;
  const int64_t num_blocks = NumGradientBlocks(rows);
  WorkspaceScope scratch(context.workspace);
  const RmsNormBackwardWork work{
      .x = args.x.data<float>(),
      .weight = args.weight.data<float>(),
      .dy = args.dy.data<float>(),
      .dx = args.dx.data<float>(),
      .factors = scratch.Take<RowFactors>(rows),
      .partials = scratch.Take<float>(num_blocks * width),
      .rows = rows,
      .width = width,
      .eps = args.eps,
  };
  if (rows > 0) {
    Launch("rms_norm_backward_factors", {NumBlocks(rows, kRowsPerBlock), kRowsPerBlock * kWarp},
           context.stream, RowFactorsKernel, work);
    if (args.output == GradientOutput::kAdd) {
      RunRows<GradientOutput::kAdd>(context, work);
    } else {
      RunRows<GradientOutput::kStore>(context, work);
    }
  }
  ForEach("rms_norm_backward_sum", context.stream, width,
          SumBlocksBody{work.partials, args.dweight.data<float>(), num_blocks, width});
}

}  // namespace tandem::cuda
