// Matmul's tiles over rows sorted by group, each with its group's weights. The offsets stay on the
// device: the grid is of as many row tiles as there can be, and a block finds its own, or none. A
// row's bits are Matmul's, as the tiles are; those of a gated product are SiluMul's of it, which
// then never goes to memory. Bound by the weights of the groups that have rows, as long as those
// have few.

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/core/workspace.h"
#include "kernels/cuda/matmul_unsorted.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/gated_tile.cuh"
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/matmul_tile.cuh"
#include "kernels/moe.h"

namespace tandem::cuda {
namespace {

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
  own.w = work.weights[tile.group].rows;
  own.w_scales = work.weights[tile.group].scales;
  return own;
}

template <typename Tile, typename Type, bool kAligned>
__global__ void __launch_bounds__(Tile::kThreads) MatmulGroupedKernel(GroupedWork work) {
  AwaitPrevious();
  LetNextStart();
  const RowTile tile =
      RowTileOf<Tile::kRows>(work.offsets, work.num_groups, work.first_tile + blockIdx.y);
  if (tile.group < 0) return;  // the whole block
  MultiplyColumns<Tile, Type, kAligned>(WorkOfGroup(work, tile), tile.first_row - tile.begin,
                                        int64_t{blockIdx.x} * Tile::kColumns);
}

template <typename W>
__global__ void __launch_bounds__(kFloatThreads) MatmulGroupedFloatKernel(GroupedWork work) {
  AwaitPrevious();
  LetNextStart();
  const RowTile tile =
      RowTileOf<kFloatRows>(work.offsets, work.num_groups, work.first_tile + blockIdx.y);
  if (tile.group < 0) return;
  MultiplyFloats<W>(WorkOfGroup(work, tile), tile.first_row - tile.begin,
                    int64_t{blockIdx.x} * kFloatColumns);
}

template <typename Tile, typename Type, bool kAligned, typename Y>
__global__ void __launch_bounds__(Tile::kThreads) MatmulGatedKernel(GroupedWork work) {
  AwaitPrevious();
  LetNextStart();
  const RowTile tile =
      RowTileOf<Tile::kRows>(work.offsets, work.num_groups, work.first_tile + blockIdx.y);
  if (tile.group < 0) return;  // the whole block
  const MatmulWork own = WorkOfGroup(work, tile);
  MultiplyGated<Tile, Type, kAligned>(own, tile.first_row - tile.begin,
                                      int64_t{blockIdx.x} * kGatedColumns<Tile>,
                                      static_cast<Y*>(work.activated) + tile.begin * (own.n / 2));
}

int64_t NumRows(const MatmulGroupedArgs& args) {
  return args.rows.empty() ? args.x.dim(0) : args.rows.dim(0);
}

MatmulWork RowsOf(const MatmulGroupedArgs& args) {
  const PackedMatrix& w = args.w.front();
  return {.x = reinterpret_cast<const unsigned char*>(args.x.bytes()),
          .x_rows = args.rows.empty() ? nullptr : args.rows.data<int32_t>(),
          .y_rows = nullptr,
          .x_scales = w.dtype() == DType::kI8 ? args.x_scales.data<float>() : nullptr,
          .w = nullptr,
          .w_scales = nullptr,
          .bias = nullptr,
          .y = args.y.empty() ? nullptr : args.y.data<float>(),
          .rows = NumRows(args),
          .n = w.n(),
          .row_bytes = w.k() * SizeOf(args.x.dtype()),
          .w_row_bytes = w.row_bytes(),
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

template <typename Tile>
LaunchShape ShapeOf(int64_t columns, int64_t columns_per_block, unsigned num_tiles) {
  return {.grid = {NumBlocks(columns, columns_per_block), num_tiles},
          .block = Tile::kThreads,
          .shared_bytes = Tile::kStages * sizeof(typename Tile::Stage),
          .waits_inside = true};
}

template <typename Tile, typename Type>
void RunTiles(Context& context, const MatmulGroupedArgs& args) {
  ForGroupsInPieces<Tile::kRows>(args, [&](const GroupedWork& work, unsigned num_tiles) {
    const auto kernel = RowsAreAligned(work.all) ? MatmulGroupedKernel<Tile, Type, true>
                                                 : MatmulGroupedKernel<Tile, Type, false>;
    Launch("matmul_grouped", ShapeOf<Tile>(work.all.n, Tile::kColumns, num_tiles), context.stream,
           kernel, work);
  });
}

template <typename W>
void RunFloats(Context& context, const MatmulGroupedArgs& args) {
  ForGroupsInPieces<kFloatRows>(args, [&](const GroupedWork& work, unsigned num_tiles) {
    const LaunchShape shape{.grid = {NumBlocks(work.all.n, kFloatColumns), num_tiles},
                            .block = kFloatThreads,
                            .waits_inside = true};
    Launch("matmul_grouped", shape, context.stream, MatmulGroupedFloatKernel<W>, work);
  });
}

template <typename Tile, typename Type, typename Y>
void RunGated(Context& context, const MatmulGroupedArgs& args) {
  ForGroupsInPieces<Tile::kRows>(args, [&](const GroupedWork& work, unsigned num_tiles) {
    const auto kernel = RowsAreAligned(work.all) ? MatmulGatedKernel<Tile, Type, true, Y>
                                                 : MatmulGatedKernel<Tile, Type, false, Y>;
    Launch("matmul_grouped_gated", ShapeOf<Tile>(work.all.n / 2, kGatedColumns<Tile>, num_tiles),
           context.stream, kernel, work);
  });
}

// A group has few rows where all have few together, or so many groups share them.
bool HasFewRows(const MatmulGroupedArgs& args) {
  return NumRows(args) <= kFewRows * static_cast<int64_t>(args.w.size());
}

template <typename Type>
void RunTiles(Context& context, const MatmulGroupedArgs& args) {
  if (HasFewRows(args)) return RunTiles<SmallTile, Type>(context, args);
  RunTiles<LargeTile, Type>(context, args);
}

template <typename Type, typename Y>
void RunGated(Context& context, const MatmulGroupedArgs& args) {
  if (HasFewRows(args)) return RunGated<SmallTile, Type, Y>(context, args);
  RunGated<LargeTile, Type, Y>(context, args);
}

template <typename Type>
void RunGated(Context& context, const MatmulGroupedArgs& args) {
  if (args.activated.dtype() == DType::kF32) return RunGated<Type, float>(context, args);
  RunGated<Type, __nv_bfloat16>(context, args);
}

// The product alone.
void Run(Context& context, const MatmulGroupedArgs& args) {
  if (!args.groups.empty()) return MatmulUnsorted(context, args);
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
  const bool is_for_mma = dtype == DType::kBf16 || dtype == DType::kI8;
  if (is_for_mma && !args.groups.empty()) return MatmulUnsorted(context, args);
  if (dtype == DType::kBf16) return RunGated<Bf16Product>(context, args);
  if (dtype == DType::kI8) return RunGated<Int8Product>(context, args);
  WorkspaceScope scratch(context.workspace);
  const Shape shape{args.activated.dim(0), args.w.front().n()};
  MatmulGroupedArgs product = args;
  product.activated = {};
  product.y = TensorView(scratch.Take<float>(shape.num_elements()), shape);
  Run(context, product);
  cuda::SiluMul(context, {.gate_up = product.y, .y = args.activated});
}

}  // namespace tandem::cuda
