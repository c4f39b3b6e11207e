#pragma once
// Rows sorted by group, with the groups' offsets known on the device alone: which rows a block
// does.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {

// So many groups' pointers go by value with a launch; more groups are more launches.
inline constexpr int kGroupsPerLaunch = 128;

struct GroupWeights {
  const unsigned char* rows;
  const float* scales;  // i8 only
};

struct RowTile {
  int group = -1;  // none: nothing is left for this tile
  int64_t first_row = 0;
  int64_t begin = 0;  // of the group
  int64_t end = 0;
};

// The `index`th tile of kTileRows rows, over all groups ascending; a group begins a tile. Every
// warp finds out alone. offsets: [num_groups + 1], num_groups <= kGroupsPerLaunch.
template <int kTileRows>
__device__ __forceinline__ RowTile RowTileOf(const int32_t* offsets, int num_groups,
                                             int64_t index) {
  constexpr int kPerLane = kGroupsPerLaunch / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  int32_t bounds[kPerLane + 1];
#pragma unroll
  for (int i = 0; i <= kPerLane; ++i) {
    const int at = lane * kPerLane + i;
    bounds[i] = offsets[at < num_groups ? at : num_groups];
  }
  int32_t num_tiles = 0;  // of the lane's groups, then of those before them
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    num_tiles += (bounds[i + 1] - bounds[i] + kTileRows - 1) / kTileRows;
  }
  int32_t before = num_tiles;
  for (int step = 1; step < kWarp; step *= 2) {
    const int32_t other = __shfl_up_sync(kAllLanes, before, step);
    if (lane >= step) before += other;
  }
  before -= num_tiles;
  const bool is_here = index >= before && index < before + num_tiles;
  RowTile tile;
  int32_t left = static_cast<int32_t>(index) - before;  // tiles to skip in the lane's groups
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int32_t tiles = (bounds[i + 1] - bounds[i] + kTileRows - 1) / kTileRows;
    if (is_here && left >= 0 && left < tiles) {
      tile = {lane * kPerLane + i, bounds[i] + int64_t{left} * kTileRows, bounds[i], bounds[i + 1]};
    }
    left -= tiles;
  }
  const unsigned found = __ballot_sync(kAllLanes, is_here);
  if (found == 0) return {};
  const int owner = __ffs(static_cast<int>(found)) - 1;
  tile.group = __shfl_sync(kAllLanes, tile.group, owner);
  tile.first_row = __shfl_sync(kAllLanes, tile.first_row, owner);
  tile.begin = __shfl_sync(kAllLanes, tile.begin, owner);
  tile.end = __shfl_sync(kAllLanes, tile.end, owner);
  return tile;
}

// No fewer tiles than RowTileOf finds, whatever the offsets.
template <int kTileRows>
int64_t MostRowTiles(int64_t num_rows, int64_t num_groups) {
  return num_rows / kTileRows + (num_groups < num_rows ? num_groups : num_rows);
}

}  // namespace tandem::cuda
