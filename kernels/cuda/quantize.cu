// Bound by memory. A warp quantises a row: one pass for the largest magnitude, one out of the
// cache.

#include "kernels/quantize.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/quantization.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {
namespace {

constexpr int kRowsPerBlock = 4;

struct QuantizeWork {
  const float* x;
  int8_t* y;
  float* scales;
  int64_t rows;
  int64_t width;
};

__global__ void __launch_bounds__(kRowsPerBlock* kWarp) QuantizeRowsKernel(QuantizeWork work) {
  AwaitPrevious();
  LetNextStart();
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= work.rows) return;  // whole warps, and nobody meets at a barrier
  const int64_t first = threadIdx.x % kWarp;
  const float* x = work.x + row * work.width;
  int8_t* y = work.y + row * work.width;
  float largest = 0.0f;
  for (int64_t i = first; i < work.width; i += kWarp) largest = LargerOrNan(fabsf(x[i]), largest);
  const RowScale scale = RowScaleOf(WarpMax(largest));
  if (first == 0) work.scales[row] = scale.scale;
  for (int64_t i = first; i < work.width; i += kWarp) y[i] = Quantized(x[i], scale.inverse);
}

template <typename X, typename Y>
struct ConvertBody {
  const X* x;
  Y* y;

  __device__ void operator()(int64_t i) const { y[i] = FromFloat<Y>(ToFloat(x[i])); }
};

template <typename X, typename Y>
void RunConvert(Context& context, const ConvertArgs& args) {
  const ConvertBody<X, Y> body{reinterpret_cast<const X*>(args.x.bytes()),
                               reinterpret_cast<Y*>(args.y.bytes())};
  ForEach("convert", context.stream, args.y.num_elements(), body);
}

template <typename X>
void ConvertFrom(Context& context, const ConvertArgs& args) {
  switch (args.y.dtype()) {
    case DType::kBf16:
      return RunConvert<X, __nv_bfloat16>(context, args);
    case DType::kF16:
      return RunConvert<X, __half>(context, args);
    default:
      return RunConvert<X, float>(context, args);
  }
}

}  // namespace

void QuantizeRows(Context& context, const QuantizeRowsArgs& args) {
  const QuantizeWork work{args.x.data<float>(), args.y.data<int8_t>(), args.scales.data<float>(),
                          args.x.dim(0), args.x.dim(1)};
  if (work.rows == 0) return;
  const LaunchShape shape{.grid = NumBlocks(work.rows, kRowsPerBlock),
                          .block = kRowsPerBlock * kWarp,
                          .waits_inside = true};
  Launch("quantize_rows", shape, context.stream, QuantizeRowsKernel, work);
}

void Convert(Context& context, const ConvertArgs& args) {
  switch (args.x.dtype()) {
    case DType::kBf16:
      return ConvertFrom<__nv_bfloat16>(context, args);
    case DType::kF16:
      return ConvertFrom<__half>(context, args);
    default:
      return ConvertFrom<float>(context, args);
  }
}

}  // namespace tandem::cuda
