// Matmul's tiles over rows sorted by group, each with its group's weights. The offsets stay on the
// device: the grid is of as many row tiles as there can be, and a block finds its own, or none. A
// row's bits are Matmul's, as the tiles are. Bound by the weights of the groups that have rows, as
// long as those have few.

#include <algorithm>

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
  MatmulWork all;  // the rows of all groups; no weights
  const int32_t* offsets;
  int64_t first_tile;
  int num_groups;
  GroupWeights weights[kGroupsPerLaunch];
};

__device__ __forceinline__ MatmulWork WorkOfGroup(const GroupedWork& work, const RowTile& tile) {
  MatmulWork own = work.all;
  own.x += tile.begin * own.row_bytes;
  own.y += tile.begin * own.n;
  if (own.x_scales != nullptr) own.x_scales += tile.begin;
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
  MultiplyTile<Type, kAligned>(WorkOfGroup(work, tile), tile.first_row - tile.begin, blockIdx.x);
}

template <typename W>
__global__ void __launch_bounds__(kTileColumns* kFloatRows)
    MatmulGroupedFloatKernel(GroupedWork work) {
  const RowTile tile =
      RowTileOf<kFloatRows>(work.offsets, work.num_groups, work.first_tile + blockIdx.y);
  if (tile.group < 0) return;
  MultiplyFloats<W>(WorkOfGroup(work, tile), tile.first_row - tile.begin, blockIdx.x);
}

MatmulWork RowsOf(const MatmulGroupedArgs& args) {
  const PackedMatrix& w = args.w.front();
  return {.x = reinterpret_cast<const unsigned char*>(args.x.bytes()),
          .x_scales = w.dtype() == DType::kI8 ? args.x_scales.data<float>() : nullptr,
          .w = nullptr,
          .w_scales = nullptr,
          .bias = nullptr,
          .y = args.y.data<float>(),
          .rows = args.x.dim(0),
          .n = w.n(),
          .row_bytes = w.k() * SizeOf(args.x.dtype()),
          .num_groups = w.padded_k() / w.group(),
          .add = false};
}

// start(work, number of row tiles) for as many groups, and tiles, as a launch takes.
template <int kTile, typename Start>
void ForGroupsInPieces(const MatmulGroupedArgs& args, const Start& start) {
  constexpr int64_t kMostTiles = 65535;  // blocks in y
  GroupedWork work{.all = RowsOf(args)};
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

}  // namespace

void MatmulGrouped(Context& context, const MatmulGroupedArgs& args) {
  if (args.y.num_elements() == 0) return;
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

}  // namespace tandem::cuda
