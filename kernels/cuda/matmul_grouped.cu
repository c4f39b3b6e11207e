// Matmul's tiles over rows sorted by group, each with its group's weights. The offsets stay on the
// device: the grid is of as many row tiles as there can be, and a block finds its own, or none. A
// row's bits are Matmul's, as the tiles are; those of a gated product are SiluMul's of it, which
// then never goes to memory. Bound by the weights of the groups that have rows, as long as those
// have few.

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/core/workspace.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/matmul_tile.cuh"
#include "kernels/moe.h"

namespace tandem::cuda {
namespace {

struct GroupWeights {
  const unsigned char* panels;
  const float* scales;
};

struct GroupedWork {
  MatmulWork all;   // the rows of all groups; no weights
  void* activated;  // [rows, n / 2], or null
  const int32_t* offsets;
  int64_t first_tile;
  int num_groups;
  GroupWeights weights[kGroupsPerLaunch];
};

__device__ __forceinline__ MatmulWork WorkOfGroup(const GroupedWork& work, const RowTile& tile) {
  MatmulWork own = work.all;
  if (own.x_rows != nullptr) {
    own.x_rows += tile.begin;
  } else {
    own.x += tile.begin * own.row_bytes;
    if (own.x_scales != nullptr) own.x_scales += tile.begin;
  }
  own.y += tile.begin * own.n;
  own.rows = tile.end - tile.begin;
  own.w = work.weights[tile.group].panels;
  own.w_scales = work.weights[tile.group].scales;
  return own;
}

template <typename Type, bool kAligned>
__global__ void __launch_bounds__(kTileThreads) MatmulGroupedKernel(GroupedWork work) {
  const RowTile tile =
      RowTileOf<kTileRows>(work.offsets, work.num_groups, work.first_tile + blockIdx.y);
  if (tile.group < 0) return;  // the whole block
  MultiplyPanel<Type, kAligned>(WorkOfGroup(work, tile), tile.first_row - tile.begin, blockIdx.x);
}

template <typename W>
__global__ void __launch_bounds__(kTileColumns* kFloatRows)
    MatmulGroupedFloatKernel(GroupedWork work) {
  const RowTile tile =
      RowTileOf<kFloatRows>(work.offsets, work.num_groups, work.first_tile + blockIdx.y);
  if (tile.group < 0) return;
  MultiplyFloats<W>(WorkOfGroup(work, tile), tile.first_row - tile.begin, blockIdx.x);
}

// A block does as many columns of the gate as of `up`: a lane's sums of both are of the same
// places, in tiles of eight columns 0, 1 and 2, 3 of a warp's four.
constexpr int kGatedColumns = kTileColumns / 2;

// The thread's four columns of a block's from first_column: of the warps' two halves, 16 of the
// gate, then 16 of `up`.
__device__ __forceinline__ const unsigned char* OwnGatedColumns(const MatmulWork& work,
                                                                int64_t first_column) {
  const int chunk = static_cast<int>(threadIdx.x) % kColumnChunks;
  const int64_t of_gate = first_column + chunk / 8 * 16 + chunk % 4 * 4;
  const int64_t column = chunk / 4 % 2 == 0 ? of_gate : of_gate + work.n / 2;
  return work.w +
         (column / kTileColumns * work.num_groups * kTileColumns + column % kTileColumns) * 4;
}

template <typename Type, bool kAligned, typename Y>
__global__ void __launch_bounds__(kTileThreads) MatmulGatedKernel(GroupedWork work) {
  const RowTile tile =
      RowTileOf<kTileRows>(work.offsets, work.num_groups, work.first_tile + blockIdx.y);
  if (tile.group < 0) return;  // the whole block
  const MatmulWork own = WorkOfGroup(work, tile);
  const int64_t width = own.n / 2;
  const int64_t first_column = int64_t{blockIdx.x} * kGatedColumns;
  const int64_t first_row = tile.first_row - tile.begin;
  TileSums<Type> sums = {};
  MultiplyTile<Type, kAligned>(own, first_row, OwnGatedColumns(own, first_column), sums);
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int part = 0; part < 8; ++part) {
      const int j = part / 4, at = part % 4;
      const int64_t row = first_row + WarpRow() + 16 * i + lane / 4 + at / 2 * 8;
      const int64_t column = first_column + WarpColumn() / 2 + 8 * j + lane % 4 * 2 + at % 2;
      if (row >= own.rows) continue;
      const float gate = Type::Scaled(sums[i][j][at], own, row, column);
      const float up = Type::Scaled(sums[i][j + 2][at], own, row, column + width);
      static_cast<Y*>(work.activated)[(tile.begin + row) * width + column] =
          FromFloat<Y>(Silu(gate) * up);
    }
  }
}

MatmulWork RowsOf(const MatmulGroupedArgs& args) {
  const PackedMatrix& w = args.w.front();
  return {.x = reinterpret_cast<const unsigned char*>(args.x.bytes()),
          .x_rows = args.rows.empty() ? nullptr : args.rows.data<int32_t>(),
          .x_scales = w.dtype() == DType::kI8 ? args.x_scales.data<float>() : nullptr,
          .w = nullptr,
          .w_scales = nullptr,
          .bias = nullptr,
          .y = args.y.empty() ? nullptr : args.y.data<float>(),
          .rows = args.rows.empty() ? args.x.dim(0) : args.rows.dim(0),
          .n = w.n(),
          .row_bytes = w.k() * SizeOf(args.x.dtype()),
          .num_groups = w.padded_k() / w.group(),
          .add = false};
}

// start(work, number of row tiles) for as many groups, and tiles, as a launch takes.
template <int kTile, typename Start>
void ForGroupsInPieces(const MatmulGroupedArgs& args, const Start& start) {
  constexpr int64_t kMostTiles = 65535;  // blocks in y
  GroupedWork work{.all = RowsOf(args), .activated = args.activated.bytes()};
  const auto num_groups = static_cast<int64_t>(args.w.size());
  for (int64_t first = 0; first < num_groups; first += kGroupsPerLaunch) {
    work.offsets = args.offsets.data<int32_t>() + first;
    work.num_groups = static_cast<int>(std::min<int64_t>(num_groups - first, kGroupsPerLaunch));
    for (int i = 0; i < work.num_groups; ++i) {
      const PackedMatrix& w = args.w[static_cast<size_t>(first + i)];
      work.weights[i] = {reinterpret_cast<const unsigned char*>(w.data()), w.scales()};
    }
    const int64_t num_tiles = MostRowTiles<kTile>(work.all.rows, work.num_groups);
    for (work.first_tile = 0; work.first_tile < num_tiles; work.first_tile += kMostTiles) {
      start(work, static_cast<unsigned>(std::min(num_tiles - work.first_tile, kMostTiles)));
    }
  }
}

template <typename Type>
void RunTiles(Context& context, const MatmulGroupedArgs& args) {
  ForGroupsInPieces<kTileRows>(args, [&](const GroupedWork& work, unsigned num_tiles) {
    const auto kernel = RowsAreAligned(work.all) ? MatmulGroupedKernel<Type, true>
                                                 : MatmulGroupedKernel<Type, false>;
    const LaunchShape shape{{NumBlocks(work.all.n, kTileColumns), num_tiles},
                            kTileThreads,
                            kTileStages * sizeof(MatmulStage)};
    Launch("matmul_grouped", shape, context.stream, kernel, work);
  });
}

template <typename W>
void RunFloats(Context& context, const MatmulGroupedArgs& args) {
  ForGroupsInPieces<kFloatRows>(args, [&](const GroupedWork& work, unsigned num_tiles) {
    const LaunchShape shape{{NumBlocks(work.all.n, kTileColumns), num_tiles},
                            kTileColumns * kFloatRows};
    Launch("matmul_grouped", shape, context.stream, MatmulGroupedFloatKernel<W>, work);
  });
}

template <typename Type, typename Y>
void RunGated(Context& context, const MatmulGroupedArgs& args) {
  ForGroupsInPieces<kTileRows>(args, [&](const GroupedWork& work, unsigned num_tiles) {
    const auto kernel = RowsAreAligned(work.all) ? MatmulGatedKernel<Type, true, Y>
                                                 : MatmulGatedKernel<Type, false, Y>;
    const LaunchShape shape{{NumBlocks(work.all.n / 2, kGatedColumns), num_tiles},
                            kTileThreads,
                            kTileStages * sizeof(MatmulStage)};
    Launch("matmul_grouped_gated", shape, context.stream, kernel, work);
  });
}

template <typename Type>
void RunGated(Context& context, const MatmulGroupedArgs& args) {
  if (args.activated.dtype() == DType::kF32) return RunGated<Type, float>(context, args);
  RunGated<Type, __nv_bfloat16>(context, args);
}

// The product alone.
void Run(Context& context, const MatmulGroupedArgs& args) {
  switch (args.w.front().dtype()) {
    case DType::kBf16:
      return RunTiles<Bf16Product>(context, args);
    case DType::kI8:
      return RunTiles<Int8Product>(context, args);
    case DType::kF16:
      return RunFloats<__half>(context, args);
    default:
      return RunFloats<float>(context, args);
  }
}

}  // namespace

void MatmulGrouped(Context& context, const MatmulGroupedArgs& args) {
  if (args.activated.empty()) {
    if (args.y.num_elements() > 0) Run(context, args);
    return;
  }
  if (args.activated.num_elements() == 0) return;
  const DType dtype = args.w.front().dtype();
  if (args.activated.dim(1) % kGatedColumns == 0) {  // up begins where a thread's columns may
    if (dtype == DType::kBf16) return RunGated<Bf16Product>(context, args);
    if (dtype == DType::kI8) return RunGated<Int8Product>(context, args);
  }
  WorkspaceScope scratch(context.workspace);
  const Shape shape{args.activated.dim(0), args.w.front().n()};
  MatmulGroupedArgs product = args;
  product.activated = {};
  product.y = TensorView(scratch.Take<float>(shape.num_elements()), shape);
  Run(context, product);
  cuda::SiluMul(context, {.gate_up = product.y, .y = args.activated});
}

}  // namespace tandem::cuda
