// Weights into and out of the rows of a packed matrix, each padded to 16 bytes with zeros. Bound by
// memory: a thread an element; columns are turned over in shared memory.

#include <type_traits>

#include "kernels/core/workspace.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/quantization.cuh"
#include "kernels/cuda/primitives/warp.cuh"
#include "kernels/matmul.h"

namespace tandem::cuda {
namespace {

constexpr int kThreads = 256;

template <typename From, typename To>
__device__ __forceinline__ To Converted(From value) {
  if constexpr (std::is_same_v<From, To>) {
    return value;
  } else {
    return FromFloat<To>(ToFloat(value));
  }
}

template <typename From, typename T>
struct PackRowsBody {
  const From* w;         // [rows, k]
  T* packed;             // [rows, row_elements]
  const float* inverse;  // i8 only: 127 / max|w| of each row
  int64_t k;
  int64_t row_elements;

  __device__ void operator()(int64_t i) const {
    const int64_t row = i / row_elements;
    const int64_t column = i % row_elements;
    T value{};
    if (column < k) {
      if constexpr (std::is_same_v<T, int8_t>) {
        value = Quantized(ToFloat(w[row * k + column]), inverse[row]);
      } else {
        value = Converted<From, T>(w[row * k + column]);
      }
    }
    packed[i] = value;
  }
};

template <typename T>
struct UnpackRowsBody {
  const T* packed;      // [rows, row_elements]
  const float* scales;  // i8 only: of each row
  float* out;           // [rows, k]
  int64_t k;
  int64_t row_elements;

  __device__ void operator()(int64_t i) const {
    const T value = packed[i / k * row_elements + i % k];
    if constexpr (std::is_same_v<T, int8_t>) {
      out[i] = static_cast<float>(value) * scales[i / k];
    } else {
      out[i] = ToFloat(value);
    }
  }
};

// ---- Scales of i8 ----

template <typename From>
struct ScalesWork {
  const From* w;   // [num_rows, k]
  float* scales;   // [num_rows]
  int32_t* sums;   // [num_rows]
  float* inverse;  // [num_rows], as PackRowsBody wants it
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

template <typename From, typename T>
struct ColumnsWork {
  const From* w;  // [k, n]
  T* packed;      // [n, row_elements]
  int64_t k;
  int64_t n;
  int64_t row_elements;
};

constexpr int kSide = 64;

// Apart by an odd number of banks.
template <typename T>
struct Square {
  T elements[kSide][kSide + 4 / sizeof(T)];  // [of k][of n]
};

template <typename From, typename T>
__global__ void __launch_bounds__(kThreads) PackColumnsKernel(ColumnsWork<From, T> work) {
  auto& square = StaticShared<Square<T>>();
  const int64_t first_k = int64_t{blockIdx.x} * kSide;
  const int64_t first_n = int64_t{blockIdx.y} * kSide;
  const int own = static_cast<int>(threadIdx.x) % kSide;
  const int start = static_cast<int>(threadIdx.x) / kSide;
  for (int i = start; i < kSide; i += kThreads / kSide) {
    const bool is_there = first_k + i < work.k && first_n + own < work.n;
    square.elements[i][own] =
        is_there ? Converted<From, T>(work.w[(first_k + i) * work.n + first_n + own]) : T{};
  }
  __syncthreads();
  if (first_k + own >= work.row_elements) return;
  for (int i = start; i < kSide && first_n + i < work.n; i += kThreads / kSide) {
    work.packed[(first_n + i) * work.row_elements + first_k + own] = square.elements[own][i];
  }
}

// ---- Launches ----

template <typename T>
int64_t RowElements(const PackedMatrix& matrix) {
  return matrix.row_bytes() / static_cast<int64_t>(sizeof(T));
}

template <typename From, typename T>
void RunPackRows(Context& context, const PackRowsArgs& args) {
  const auto* const w = reinterpret_cast<const From*>(args.w.bytes());
  const int64_t num_rows = args.w.dim(0), k = args.packed.k();
  const int64_t row_elements = RowElements<T>(args.packed);
  WorkspaceScope scratch(context.workspace);
  float* inverse = nullptr;
  if constexpr (std::is_same_v<T, int8_t>) {
    inverse = scratch.Take<float>(num_rows);
    const ScalesWork<From> scales{.w = w,
                                  .scales = args.packed.scales() + args.first_row,
                                  .sums = args.packed.sums() + args.first_row,
                                  .inverse = inverse,
                                  .num_rows = num_rows,
                                  .k = k};
    Launch("pack_scales", {NumBlocks(num_rows, kRowsPerBlock), kThreads}, context.stream,
           PackScalesKernel<From>, scales);
  }
  const PackRowsBody<From, T> body{
      .w = w,
      .packed = reinterpret_cast<T*>(args.packed.data()) + args.first_row * row_elements,
      .inverse = inverse,
      .k = k,
      .row_elements = row_elements};
  ForEach("pack_rows", context.stream, num_rows * row_elements, body);
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
                                  .packed = reinterpret_cast<T*>(args.packed.data()),
                                  .k = args.packed.k(),
                                  .n = args.packed.n(),
                                  .row_elements = RowElements<T>(args.packed)};
  const LaunchShape shape{{NumBlocks(work.row_elements, kSide), NumBlocks(work.n, kSide)},
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
  const PackedMatrix& packed = args.packed;
  const int64_t row_elements = RowElements<T>(packed);
  const float* const scales = packed.scales();
  const UnpackRowsBody<T> body{
      .packed = reinterpret_cast<const T*>(packed.data()) + args.first_row * row_elements,
      .scales = scales == nullptr ? nullptr : scales + args.first_row,
      .out = args.out.data<float>(),
      .k = packed.k(),
      .row_elements = row_elements};
  ForEach("unpack_rows", context.stream, args.out.num_elements(), body);
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
