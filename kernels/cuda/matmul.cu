// y = x w^T by the tiles of primitives/matmul_tile.cuh. Bound by memory below some hundred rows.

#include "kernels/matmul.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/matmul_tile.cuh"

namespace tandem::cuda {
namespace {

template <typename Type, bool kAligned>
__global__ void __launch_bounds__(kTileThreads) MatmulKernel(MatmulWork work) {
  MultiplyPanel<Type, kAligned>(work, int64_t{blockIdx.y} * kTileRows, blockIdx.x);
}

template <typename W>
__global__ void __launch_bounds__(kTileColumns* kFloatRows) MatmulFloatKernel(MatmulWork work) {
  MultiplyFloats<W>(work, int64_t{blockIdx.y} * kFloatRows, blockIdx.x);
}

MatmulWork WorkOf(const MatmulArgs& args) {
  const PackedMatrix& w = args.w;
  return {
      .x = reinterpret_cast<const unsigned char*>(args.x.bytes()),
      .x_rows = nullptr,
      .x_scales = w.dtype() == DType::kI8 ? args.x_scales.data<float>() : nullptr,
      .w = reinterpret_cast<const unsigned char*>(w.data()),
      .w_scales = w.scales(),
      .bias = args.bias.empty() ? nullptr : args.bias.data<float>(),
      .y = args.y.data<float>(),
      .rows = args.x.dim(0),
      .n = w.n(),
      .row_bytes = w.k() * SizeOf(args.x.dtype()),
      .num_groups = w.padded_k() / w.group(),
      .add = args.output == MatmulOutput::kAdd,
  };
}

// A grid has at most 65535 blocks in y.
constexpr int64_t kMaxRowsPerLaunch = int64_t{65535} * kFloatRows;

template <typename Start>
void ForRowsInPieces(MatmulWork work, const Start& start) {
  for (int64_t left = work.rows; left > 0; left -= kMaxRowsPerLaunch) {
    work.rows = left < kMaxRowsPerLaunch ? left : kMaxRowsPerLaunch;
    start(work);
    work.x += work.rows * work.row_bytes;
    work.y += work.rows * work.n;
    if (work.x_scales != nullptr) work.x_scales += work.rows;
  }
}

template <typename Type>
void RunTiles(Context& context, const MatmulWork& work) {
  const auto kernel = RowsAreAligned(work) ? MatmulKernel<Type, true> : MatmulKernel<Type, false>;
  ForRowsInPieces(work, [&](const MatmulWork& piece) {
    const LaunchShape shape{{NumBlocks(piece.n, kTileColumns), NumBlocks(piece.rows, kTileRows)},
                            kTileThreads,
                            kTileStages * sizeof(MatmulStage)};
    Launch("matmul", shape, context.stream, kernel, piece);
  });
}

template <typename W>
void RunFloats(Context& context, const MatmulWork& work) {
  ForRowsInPieces(work, [&](const MatmulWork& piece) {
    const LaunchShape shape{{NumBlocks(piece.n, kTileColumns), NumBlocks(piece.rows, kFloatRows)},
                            kTileColumns * kFloatRows};
    Launch("matmul", shape, context.stream, MatmulFloatKernel<W>, piece);
  });
}

}  // namespace

void Matmul(Context& context, const MatmulArgs& args) {
  if (args.y.num_elements() == 0) return;
  const MatmulWork work = WorkOf(args);
  switch (args.w.dtype()) {
    case DType::kBf16:
      return RunTiles<Bf16Product>(context, work);
    case DType::kI8:
      return RunTiles<Int8Product>(context, work);
    case DType::kF16:
      return RunFloats<__half>(context, work);
    default:
      return RunFloats<float>(context, work);
  }
}

}  // namespace tandem::cuda
