// Weights into and out of the panels of a packed matrix. Bound by memory. A unit is what a panel
// holds of a row in one group of k: 4 bytes, or 2 in f16. PackRows and UnpackRows turn tiles of 64
// rows by 32 units over in shared memory, so that both sides are read and written in whole lines;
// PackColumns finds its source in the panels' order already.

#include <type_traits>

#include "kernels/core/workspace.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/quantization.cuh"
#include "kernels/cuda/primitives/warp.cuh"
#include "kernels/matmul.h"

namespace tandem::cuda {
namespace {

constexpr int kPanel = static_cast<int>(PackedMatrix::kPanel);
constexpr int kThreads = 256;
constexpr int kTileUnits = kWarp;

template <typename T>
constexpr int kGroup = 1;
template <>
constexpr int kGroup<__nv_bfloat16> = 2;
template <>
constexpr int kGroup<int8_t> = 4;

template <typename T>
struct alignas(sizeof(T) * kGroup<T>) Unit {
  T elements[kGroup<T>];
};

// Rows apart by an odd number of banks.
template <typename T>
struct Tile {
  static constexpr int kPitch = kPanel + 4 / static_cast<int>(sizeof(Unit<T>));
  Unit<T> units[kTileUnits][kPitch];
};

// Rows of a matrix, some of those of a packed one.
template <typename Plain, typename T>
struct RowsWork {
  Plain* plain;  // [num_rows, k]
  T* panels;
  float* row_factors;  // i8 only: on packing 127 / max|w| of each of num_rows, else scales [n]
  int64_t first_row;   // in the packed matrix
  int64_t num_rows;
  int64_t k;
  int64_t num_units;  // of a row

  __device__ bool Has(int64_t row) const { return row >= first_row && row < first_row + num_rows; }
  __device__ Unit<T>* Panel(int64_t panel) const {
    return reinterpret_cast<Unit<T>*>(panels) + panel * num_units * kPanel;
  }
};

template <typename From, typename To>
__device__ __forceinline__ To Converted(From value) {
  if constexpr (std::is_same_v<From, To>) {
    return value;
  } else {
    return FromFloat<To>(ToFloat(value));
  }
}

template <typename From, typename T>
__device__ __forceinline__ Unit<T> UnitOf(const RowsWork<const From, T>& work, int64_t source_row,
                                          int64_t unit) {
  const From* const from = work.plain + source_row * work.k;
  Unit<T> result{};
#pragma unroll
  for (int i = 0; i < kGroup<T>; ++i) {
    const int64_t at = unit * kGroup<T> + i;
    if (at >= work.k) continue;
    if constexpr (std::is_same_v<T, int8_t>) {
      result.elements[i] = Quantized(ToFloat(from[at]), work.row_factors[source_row]);
    } else {
      result.elements[i] = Converted<From, T>(from[at]);
    }
  }
  return result;
}

template <typename From, typename T>
__global__ void __launch_bounds__(kThreads) PackRowsKernel(RowsWork<const From, T> work) {
  auto& tile = StaticShared<Tile<T>>();
  const int64_t panel = work.first_row / kPanel + blockIdx.y;
  const int64_t first_unit = int64_t{blockIdx.x} * kTileUnits;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int i = static_cast<int>(threadIdx.x) / kWarp; i < kPanel; i += kThreads / kWarp) {
    const int64_t row = panel * kPanel + i;
    if (work.Has(row) && first_unit + lane < work.num_units) {
      tile.units[lane][i] = UnitOf(work, row - work.first_row, first_unit + lane);
    }
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kTileUnits * kPanel; i += kThreads) {
    const int64_t unit = first_unit + i / kPanel;
    if (work.Has(panel * kPanel + i % kPanel) && unit < work.num_units) {
      work.Panel(panel)[unit * kPanel + i % kPanel] = tile.units[i / kPanel][i % kPanel];
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) UnpackRowsKernel(RowsWork<float, T> work) {
  auto& tile = StaticShared<Tile<T>>();
  const int64_t panel = work.first_row / kPanel + blockIdx.y;
  const int64_t first_unit = int64_t{blockIdx.x} * kTileUnits;
  for (int i = static_cast<int>(threadIdx.x); i < kTileUnits * kPanel; i += kThreads) {
    const int64_t unit = first_unit + i / kPanel;
    if (work.Has(panel * kPanel + i % kPanel) && unit < work.num_units) {
      tile.units[i / kPanel][i % kPanel] = work.Panel(panel)[unit * kPanel + i % kPanel];
    }
  }
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int i = static_cast<int>(threadIdx.x) / kWarp; i < kPanel; i += kThreads / kWarp) {
    const int64_t row = panel * kPanel + i;
    if (!work.Has(row)) continue;
#pragma unroll
    for (int part = 0; part < kGroup<T>; ++part) {
      const int64_t at = (first_unit + lane) * kGroup<T> + part;
      if (at >= work.k) continue;
      const T value = tile.units[lane][i].elements[part];
      float* const out = work.plain + (row - work.first_row) * work.k + at;
      if constexpr (std::is_same_v<T, int8_t>) {
        *out = static_cast<float>(value) * work.row_factors[row];
      } else {
        *out = ToFloat(value);
      }
    }
  }
}

// ---- Scales of i8 ----

template <typename From>
struct ScalesWork {
  const From* w;   // [num_rows, k]
  float* scales;   // [num_rows]
  int32_t* sums;   // [num_rows]
  float* inverse;  // [num_rows], as RowsWork wants it
  int64_t num_rows;
  int64_t k;
};

constexpr int kRowsPerBlock = kThreads / kWarp;

// A warp a row: once for its largest magnitude, once out of the cache for the sum.
template <typename From>
__global__ void __launch_bounds__(kThreads) PackScalesKernel(ScalesWork<From> work) {
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= work.num_rows) return;  // whole warps, and nobody meets at a barrier
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const From* const w = work.w + row * work.k;
  float largest = 0.0f;
  for (int64_t i = lane; i < work.k; i += kWarp) {
    largest = LargerOrNan(fabsf(ToFloat(w[i])), largest);
  }
  const RowScale scale = RowScaleOf(WarpMax(largest));
  int32_t sum = 0;
  for (int64_t i = lane; i < work.k; i += kWarp) sum += Quantized(ToFloat(w[i]), scale.inverse);
  for (int step = kWarp / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
  if (lane != 0) return;
  work.scales[row] = scale.scale;
  work.sums[row] = sum;
  work.inverse[row] = scale.inverse;
}

// ---- Columns ----

constexpr int kUnitsPerBlock = 16;  // four of each thread

template <typename From, typename T>
struct ColumnsWork {
  const From* w;  // [k, n]
  T* panels;
  int64_t k;
  int64_t n;
  int64_t num_units;
};

template <typename From, typename T>
__global__ void __launch_bounds__(kThreads) PackColumnsKernel(ColumnsWork<From, T> work) {
  const int64_t panel = blockIdx.y;
  const int own = static_cast<int>(threadIdx.x) % kPanel;
  const int64_t column = panel * kPanel + own;
  const int64_t first_unit = int64_t{blockIdx.x} * kUnitsPerBlock + threadIdx.x / kPanel;
#pragma unroll
  for (int j = 0; j < kUnitsPerBlock; j += kThreads / kPanel) {
    const int64_t unit = first_unit + j;
    if (unit >= work.num_units) return;
    Unit<T> result{};
#pragma unroll
    for (int i = 0; i < kGroup<T>; ++i) {
      const int64_t row = unit * kGroup<T> + i;
      if (row < work.k && column < work.n) {
        result.elements[i] = Converted<From, T>(work.w[row * work.n + column]);
      }
    }
    auto* const units = reinterpret_cast<Unit<T>*>(work.panels);
    units[(panel * work.num_units + unit) * kPanel + own] = result;
  }
}

// ---- Launches ----

// Of tiles over the units, and the panels that the rows reach.
template <typename Work>
LaunchShape ShapeOf(const Work& work) {
  const int64_t first_panel = work.first_row / kPanel;
  const int64_t rows = work.first_row + work.num_rows - first_panel * kPanel;
  return {{NumBlocks(work.num_units, kTileUnits), NumBlocks(rows, kPanel)}, kThreads};
}

template <typename Plain, typename T, typename Matrix>
RowsWork<Plain, T> RowsWorkOf(Plain* plain, const Matrix& packed, int64_t first_row,
                              int64_t num_rows) {
  return {.plain = plain,
          .panels = reinterpret_cast<T*>(const_cast<std::byte*>(packed.data())),
          .row_factors = nullptr,
          .first_row = first_row,
          .num_rows = num_rows,
          .k = packed.k(),
          .num_units = packed.padded_k() / packed.group()};
}

template <typename From, typename T>
void RunPackRows(Context& context, const PackRowsArgs& args) {
  const auto* const w = reinterpret_cast<const From*>(args.w.bytes());
  auto work = RowsWorkOf<const From, T>(w, args.packed, args.first_row, args.w.dim(0));
  WorkspaceScope scratch(context.workspace);
  if constexpr (std::is_same_v<T, int8_t>) {
    work.row_factors = scratch.Take<float>(work.num_rows);
    const ScalesWork<From> scales{.w = w,
                                  .scales = args.packed.scales() + args.first_row,
                                  .sums = args.packed.sums() + args.first_row,
                                  .inverse = work.row_factors,
                                  .num_rows = work.num_rows,
                                  .k = work.k};
    Launch("pack_scales", {NumBlocks(work.num_rows, kRowsPerBlock), kThreads}, context.stream,
           PackScalesKernel<From>, scales);
  }
  Launch("pack_rows", ShapeOf(work), context.stream, PackRowsKernel<From, T>, work);
}

template <typename From>
void PackRowsFrom(Context& context, const PackRowsArgs& args) {
  switch (args.packed.dtype()) {
    case DType::kBf16:
      return RunPackRows<From, __nv_bfloat16>(context, args);
    case DType::kF16:
      return RunPackRows<From, __half>(context, args);
    case DType::kI8:
      return RunPackRows<From, int8_t>(context, args);
    default:
      return RunPackRows<From, float>(context, args);
  }
}

template <typename From, typename T>
void RunPackColumns(Context& context, const PackColumnsArgs& args) {
  const ColumnsWork<From, T> work{.w = reinterpret_cast<const From*>(args.w.bytes()),
                                  .panels = reinterpret_cast<T*>(args.packed.data()),
                                  .k = args.packed.k(),
                                  .n = args.packed.n(),
                                  .num_units = args.packed.padded_k() / args.packed.group()};
  const LaunchShape shape{{NumBlocks(work.num_units, kUnitsPerBlock), NumBlocks(work.n, kPanel)},
                          kThreads};
  Launch("pack_columns", shape, context.stream, PackColumnsKernel<From, T>, work);
}

template <typename From>
void PackColumnsFrom(Context& context, const PackColumnsArgs& args) {
  switch (args.packed.dtype()) {
    case DType::kBf16:
      return RunPackColumns<From, __nv_bfloat16>(context, args);
    case DType::kF16:
      return RunPackColumns<From, __half>(context, args);
    default:
      return RunPackColumns<From, float>(context, args);
  }
}

template <typename T>
void RunUnpackRows(Context& context, const UnpackRowsArgs& args) {
  auto work =
      RowsWorkOf<float, T>(args.out.data<float>(), args.packed, args.first_row, args.out.dim(0));
  work.row_factors = const_cast<float*>(args.packed.scales());
  Launch("unpack_rows", ShapeOf(work), context.stream, UnpackRowsKernel<T>, work);
}

}  // namespace

void PackRows(Context& context, const PackRowsArgs& args) {
  switch (args.w.dtype()) {
    case DType::kBf16:
      return PackRowsFrom<__nv_bfloat16>(context, args);
    case DType::kF16:
      return PackRowsFrom<__half>(context, args);
    default:
      return PackRowsFrom<float>(context, args);
  }
}

void PackColumns(Context& context, const PackColumnsArgs& args) {
  if (args.w.num_elements() == 0) return;
  if (args.w.dtype() == DType::kBf16) return PackColumnsFrom<__nv_bfloat16>(context, args);
  PackColumnsFrom<float>(context, args);
}

void UnpackRows(Context& context, const UnpackRowsArgs& args) {
  if (args.out.num_elements() == 0) return;
  switch (args.packed.dtype()) {
    case DType::kBf16:
      return RunUnpackRows<__nv_bfloat16>(context, args);
    case DType::kF16:
      return RunUnpackRows<__half>(context, args);
    case DType::kI8:
      return RunUnpackRows<int8_t>(context, args);
    default:
      return RunUnpackRows<float>(context, args);
  }
}

}  // namespace tandem::cuda
