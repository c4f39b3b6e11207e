// Matmul's tiles over few rows in any order, each with its group's weights: a block looks through
// the rows for those of its group, and does some columns of them, sixteen rows at a time. Sorting
// first would be a launch more, and at some tokens launches are what a mixture costs. Bound by the
// weights of the groups that have rows.

#include "kernels/cuda/matmul_unsorted.h"

#include <algorithm>

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/gated_tile.cuh"
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/matmul_tile.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {
namespace {

struct UnsortedWork {
  MatmulWork all;         // no weights
  void* activated;        // [rows, n / 2], or null
  const int32_t* groups;  // [rows]
  int rows_of_token;
  int first_group;  // of the launch
  GroupWeights weights[kGroupsPerLaunch];
};

struct RowsOfGroup {
  int32_t x_rows[kMostUnsortedRows];
  int32_t y_rows[kMostUnsortedRows];
  int32_t count;
};

// Of the group that the block has, which the first warp finds.
__device__ __forceinline__ MatmulWork WorkOfBlock(const UnsortedWork& work, RowsOfGroup& rows) {
  if (threadIdx.x < kWarp) {
    const int lane = static_cast<int>(threadIdx.x);
    const int num_rows = static_cast<int>(work.all.rows);
    const int group = work.first_group + static_cast<int>(blockIdx.y);
    int count = 0;
    for (int first = 0; first < num_rows; first += kWarp) {
      const int row = first + lane;
      const bool is_own = row < num_rows && work.groups[row] == group;
      const unsigned own = __ballot_sync(kAllLanes, is_own);
      const int before = __popc(own & ((1u << lane) - 1));
      if (is_own) {
        rows.x_rows[count + before] = row / work.rows_of_token;
        rows.y_rows[count + before] = row;
      }
      count += __popc(own);
    }
    if (lane == 0) rows.count = count;
  }
  __syncthreads();
  MatmulWork own = work.all;
  own.x_rows = rows.x_rows;
  own.y_rows = rows.y_rows;
  own.rows = rows.count;
  own.w = work.weights[blockIdx.y].rows;
  own.w_scales = work.weights[blockIdx.y].scales;
  return own;
}

template <typename Type, bool kAligned>
__global__ void __launch_bounds__(SmallTile::kThreads) MatmulUnsortedKernel(UnsortedWork work) {
  AwaitPrevious();
  LetNextStart();
  const MatmulWork own = WorkOfBlock(work, StaticShared<RowsOfGroup>());
  for (int64_t row = 0; row < own.rows; row += SmallTile::kRows) {
    MultiplyColumns<SmallTile, Type, kAligned>(own, row, int64_t{blockIdx.x} * SmallTile::kColumns);
    __syncthreads();  // nobody fetches over what others multiply
  }
}

template <typename Type, bool kAligned, typename Y>
__global__ void __launch_bounds__(SmallTile::kThreads)
    MatmulUnsortedGatedKernel(UnsortedWork work) {
  AwaitPrevious();
  LetNextStart();
  const MatmulWork own = WorkOfBlock(work, StaticShared<RowsOfGroup>());
  for (int64_t row = 0; row < own.rows; row += SmallTile::kRows) {
    MultiplyGated<SmallTile, Type, kAligned>(
        own, row, int64_t{blockIdx.x} * kGatedColumns<SmallTile>, static_cast<Y*>(work.activated));
    __syncthreads();
  }
}

template <typename W>
__global__ void __launch_bounds__(kFloatThreads) MatmulUnsortedFloatKernel(UnsortedWork work) {
  AwaitPrevious();
  LetNextStart();
  const MatmulWork own = WorkOfBlock(work, StaticShared<RowsOfGroup>());
  for (int64_t row = 0; row < own.rows; row += kFloatRows) {
    MultiplyFloats<W>(own, row, int64_t{blockIdx.x} * kFloatColumns);
  }
}

UnsortedWork WorkOf(const MatmulGroupedArgs& args) {
  const PackedMatrix& w = args.w.front();
  const int64_t num_rows = args.groups.dim(0);
  return {.all = {.x = reinterpret_cast<const unsigned char*>(args.x.bytes()),
                  .x_rows = nullptr,
                  .y_rows = nullptr,
                  .x_scales = w.dtype() == DType::kI8 ? args.x_scales.data<float>() : nullptr,
                  .w = nullptr,
                  .w_scales = nullptr,
                  .bias = nullptr,
                  .y = args.y.empty() ? nullptr : args.y.data<float>(),
                  .rows = num_rows,
                  .n = w.n(),
                  .row_bytes = w.k() * SizeOf(args.x.dtype()),
                  .w_row_bytes = w.row_bytes(),
                  .add = false},
          .activated = args.activated.bytes(),
          .groups = args.groups.data<int32_t>(),
          .rows_of_token = static_cast<int>(num_rows / args.x.dim(0)),
          .first_group = 0,
          .weights = {}};
}

// Blocks of `threads` for so many columns each, by groups.
struct Blocks {
  int64_t columns;
  int64_t columns_each;
  unsigned threads;
  size_t shared_bytes = 0;
};

void Run(Context& context, const MatmulGroupedArgs& args, const Blocks& blocks,
         void (*kernel)(UnsortedWork)) {
  UnsortedWork work = WorkOf(args);
  for (size_t first = 0; first < args.w.size(); first += kGroupsPerLaunch) {
    const size_t count = std::min<size_t>(args.w.size() - first, kGroupsPerLaunch);
    work.first_group = static_cast<int>(first);
    for (size_t i = 0; i < count; ++i) {
      const PackedMatrix& w = args.w[first + i];
      work.weights[i] = {reinterpret_cast<const unsigned char*>(w.data()), w.scales()};
    }
    const LaunchShape shape{
        .grid = {NumBlocks(blocks.columns, blocks.columns_each), static_cast<unsigned>(count)},
        .block = blocks.threads,
        .shared_bytes = blocks.shared_bytes,
        .waits_inside = true};
    Launch("matmul_unsorted", shape, context.stream, kernel, work);
  }
}

template <typename Type, typename Y>
void RunGated(Context& context, const MatmulGroupedArgs& args) {
  const bool is_aligned = RowsAreAligned(WorkOf(args).all);
  Run(context, args,
      {.columns = args.w.front().n() / 2,
       .columns_each = kGatedColumns<SmallTile>,
       .threads = SmallTile::kThreads,
       .shared_bytes = SmallTile::kStages * sizeof(SmallTile::Stage)},
      is_aligned ? MatmulUnsortedGatedKernel<Type, true, Y>
                 : MatmulUnsortedGatedKernel<Type, false, Y>);
}

template <typename Type>
void RunTiles(Context& context, const MatmulGroupedArgs& args) {
  if (args.activated.dtype() == DType::kF32 && !args.activated.empty()) {
    return RunGated<Type, float>(context, args);
  }
  if (!args.activated.empty()) return RunGated<Type, __nv_bfloat16>(context, args);
  const bool is_aligned = RowsAreAligned(WorkOf(args).all);
  Run(context, args,
      {.columns = args.w.front().n(),
       .columns_each = SmallTile::kColumns,
       .threads = SmallTile::kThreads,
       .shared_bytes = SmallTile::kStages * sizeof(SmallTile::Stage)},
      is_aligned ? MatmulUnsortedKernel<Type, true> : MatmulUnsortedKernel<Type, false>);
}

template <typename W>
void RunFloats(Context& context, const MatmulGroupedArgs& args) {
  Run(context, args,
      {.columns = args.w.front().n(), .columns_each = kFloatColumns, .threads = kFloatThreads},
      MatmulUnsortedFloatKernel<W>);
}

}  // namespace

void MatmulUnsorted(Context& context, const MatmulGroupedArgs& args) {
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
