// y = x w^T by a vendor's library where that was decided (vendor_products.h), else by the tiles of
// primitives/matmul_tile.cuh. Bound by memory below some hundred rows.

#include "kernels/matmul.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/matmul_tile.cuh"
#include "kernels/cuda/vendor_products.h"

namespace tandem::cuda {
namespace {

template <typename Tile, typename Type, bool kAligned>
__global__ void __launch_bounds__(Tile::kThreads) MatmulKernel(MatmulWork work) {
  AwaitPrevious();
  LetNextStart();
  MultiplyColumns<Tile, Type, kAligned>(work, int64_t{blockIdx.y} * Tile::kRows,
                                        int64_t{blockIdx.x} * Tile::kColumns);
}

template <typename W>
__global__ void __launch_bounds__(kFloatThreads) MatmulFloatKernel(MatmulWork work) {
  AwaitPrevious();
  LetNextStart();
  MultiplyFloats<W>(work, int64_t{blockIdx.y} * kFloatRows, int64_t{blockIdx.x} * kFloatColumns);
}

MatmulWork WorkOf(const MatmulArgs& args) {
  const PackedMatrix& w = args.w;
  return {
      .x = reinterpret_cast<const unsigned char*>(args.x.bytes()),
      .x_rows = nullptr,
      .y_rows = nullptr,
      .x_scales = w.dtype() == DType::kI8 ? args.x_scales.data<float>() : nullptr,
      .w = reinterpret_cast<const unsigned char*>(w.data()),
      .w_scales = w.scales(),
      .bias = args.bias.empty() ? nullptr : args.bias.data<float>(),
      .y = args.y.data<float>(),
      .rows = args.x.dim(0),
      .n = w.n(),
      .row_bytes = w.k() * SizeOf(args.x.dtype()),
      .w_row_bytes = w.row_bytes(),
      .add = args.output == MatmulOutput::kAdd,
  };
}

// start(work) of as many rows as one grid has in y, 65535 blocks.
template <typename Start>
void ForRowsInPieces(MatmulWork work, int64_t rows_per_block, const Start& start) {
  const int64_t most = int64_t{65535} * rows_per_block;
  for (int64_t left = work.rows; left > 0; left -= most) {
    work.rows = left < most ? left : most;
    start(work);
    work.x += work.rows * work.row_bytes;
    work.y += work.rows * work.n;
    if (work.x_scales != nullptr) work.x_scales += work.rows;
  }
}

template <typename Tile, typename Type>
void RunTiles(Context& context, const MatmulWork& work) {
  const auto kernel =
      RowsAreAligned(work) ? MatmulKernel<Tile, Type, true> : MatmulKernel<Tile, Type, false>;
  ForRowsInPieces(work, Tile::kRows, [&](const MatmulWork& piece) {
    const LaunchShape shape{
        .grid = {NumBlocks(piece.n, Tile::kColumns), NumBlocks(piece.rows, Tile::kRows)},
        .block = Tile::kThreads,
        .shared_bytes = Tile::kStages * sizeof(typename Tile::Stage),
        .waits_inside = true};
    Launch("matmul", shape, context.stream, kernel, piece);
  });
}

template <typename Type>
void RunTiles(Context& context, const MatmulWork& work) {
  if (work.rows <= kFewRows) return RunTiles<SmallTile, Type>(context, work);
  RunTiles<LargeTile, Type>(context, work);
}

template <typename W>
void RunFloats(Context& context, const MatmulWork& work) {
  ForRowsInPieces(work, kFloatRows, [&](const MatmulWork& piece) {
    const LaunchShape shape{
        .grid = {NumBlocks(piece.n, kFloatColumns), NumBlocks(piece.rows, kFloatRows)},
        .block = kFloatThreads,
        .waits_inside = true};
    Launch("matmul", shape, context.stream, MatmulFloatKernel<W>, piece);
  });
}

}  // namespace

void Matmul(Context& context, const MatmulArgs& args) {
  if (args.y.num_elements() == 0 || RunVendorProduct(context, args)) return;
  RunOwnProduct(context, args);
}

void RunOwnProduct(Context& context, const MatmulArgs& args) {
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
