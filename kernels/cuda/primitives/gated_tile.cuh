#pragma once
// Tiles of a product whose columns are a gate's, then those of `up`, which become silu(gate) * up:
// the bits are SiluMul's of the product, which never goes to memory.

#include "kernels/cuda/primitives/matmul_tile.cuh"

namespace tandem::cuda {

// A block does as many columns of the gate as of `up`. Of a warp's columns the first half are the
// gate's, the others those of `up`: a lane's sums of both are of the same places.
template <typename Tile>
constexpr int kGatedColumns = Tile::kColumns / 2;

// Rows first_row.. by columns first_column.. of `activated`, which has n / 2 of them.
template <typename Tile, typename Type, bool kAligned, typename Y>
__device__ __forceinline__ void MultiplyGated(const MatmulWork& work, int64_t first_row,
                                              int64_t first_column, Y* activated) {
  const int64_t width = work.n / 2;
  constexpr int kHalf = Tile::kWarpColumns / 2;
  TileSums<Tile, Type> sums = {};
  MultiplyTile<Tile, Type, kAligned>(
      work, first_row,
      [&](int column) -> int64_t {
        const int64_t of_gate = first_column + column / Tile::kWarpColumns * kHalf + column % kHalf;
        if (of_gate >= width) return -1;
        return column % Tile::kWarpColumns < kHalf ? of_gate : of_gate + width;
      },
      sums);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  constexpr int kAcross = Tile::kTilesAcross / 2;
#pragma unroll
  for (int i = 0; i < Tile::kTilesDown; ++i) {
#pragma unroll
    for (int part = 0; part < 4 * kAcross; ++part) {
      const int j = part / 4, at = part % 4;
      const int64_t row = first_row + Tile::WarpRow() + 16 * i + lane / 4 + at / 2 * 8;
      const int64_t column = first_column + Tile::WarpColumn() / 2 + 8 * j + lane % 4 * 2 + at % 2;
      if (row >= work.rows || column >= width) continue;
      const float gate = Type::Scaled(sums[i][j][at], work, row, column);
      const float up = Type::Scaled(sums[i][j + kAcross][at], work, row, column + width);
      activated[work.RowOfY(row) * width + column] = FromFloat<Y>(Silu(gate) * up);
    }
  }
}

}  // namespace tandem::cuda
