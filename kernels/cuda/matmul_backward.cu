// dw = dy^T x, straight from dy [tokens, n] and x [tokens, k] as they lie: with tokens in the place
// of k, both operands of mma.sync are transposed, and ldmatrix turns them over on the way out of
// shared memory. A block does a square of dw, kStepTokens a step through a ring of kStages; a warp
// half the square's rows by 32 columns. Bound by the tensor cores from some hundred tokens on;
// below that by writing dw.
//
// Tokens ascend into one accumulator, sixteen by sixteen from the first: an element's bits depend
// on its columns of dy and x alone, not on the square's size.

#include <algorithm>

#include "kernels/core/workspace.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/matmul.h"
#include "kernels/moe.h"
#include "kernels/quantize.h"

namespace tandem::cuda {
namespace {

constexpr int kStepTokens = 32;
constexpr int kStages = 4;
constexpr int kChunk = 8;  // elements of 16 bytes
constexpr int kWarpColumns = 32;

template <typename Dy, typename X>
struct GradientWork {
  const Dy* dy;  // [tokens, n]
  const X* x;    // [tokens, k]
  float* dw;     // [n, k]
  int64_t tokens;
  int64_t n;
  int64_t k;
  bool add;
};

using Bf16Work = GradientWork<__nv_bfloat16, __nv_bfloat16>;

template <int kSide>
struct Stage {
  alignas(16) __nv_bfloat16 dy[kStepTokens * kSide];
  alignas(16) __nv_bfloat16 x[kStepTokens * kSide];
};

template <int kSide>
constexpr int kThreads = 2 * kSide;  // two rows of warps

// Eight tokens' chunks of the same columns, which a transposing ldmatrix reads at once, lie in
// different banks.
template <int kSide>
__device__ __forceinline__ int ChunkAt(int token, int chunk) {
  return token * kSide + (chunk ^ (token % 8)) * kChunk;
}

// Rows first_token.. of `from` [tokens, width], columns first_column..; zero beyond its ends.
template <int kSide, bool kAligned>
__device__ __forceinline__ void Fetch(const __nv_bfloat16* from, int64_t tokens, int64_t width,
                                      int64_t first_token, int64_t first_column,
                                      __nv_bfloat16* to) {
  constexpr int kChunks = kSide / kChunk;
  for (int i = static_cast<int>(threadIdx.x); i < kStepTokens * kChunks; i += kThreads<kSide>) {
    const int token = i / kChunks;
    const int chunk = i % kChunks;
    const int64_t column = first_column + chunk * kChunk;
    const bool is_there = first_token + token < tokens && column < width;
    const __nv_bfloat16* const source =
        from + (is_there ? (first_token + token) * width + column : 0);
    __nv_bfloat16* const place = to + ChunkAt<kSide>(token, chunk);
    if constexpr (kAligned) {
      CopyAsync16(place, source, is_there ? 16 : 0);
    } else {
      for (int c = 0; c < kChunk; ++c) {
        place[c] = is_there && column + c < width ? source[c] : FromFloat<__nv_bfloat16>(0.0f);
      }
    }
  }
}

// sums[i][j]: rows 16 i and columns 8 j of the warp's part.
template <int kSide>
__device__ __forceinline__ void MultiplyStage(const Stage<kSide>& stage, int warp_row,
                                              int warp_column, float (&sums)[kSide / 32][4][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int matrix = lane / 8;
#pragma unroll
  for (int first = 0; first < kStepTokens; first += 16) {
    uint32_t b[2][4];  // two tiles of eight columns each
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int token = first + matrix % 2 * 8 + lane % 8;
      const int chunk = warp_column / kChunk + 2 * j + matrix / 2;
      LoadMatrix4Transposed(b[j], stage.x + ChunkAt<kSide>(token, chunk));
    }
#pragma unroll
    for (int i = 0; i < kSide / 32; ++i) {
      uint32_t a[4];
      const int token = first + matrix / 2 * 8 + lane % 8;
      const int chunk = warp_row / kChunk + 2 * i + matrix % 2;
      LoadMatrix4Transposed(a, stage.dy + ChunkAt<kSide>(token, chunk));
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint32_t columns[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
        MultiplyAdd(Bf16Elements(), sums[i][j], a, columns);
      }
    }
  }
}

template <typename Work>
__device__ __forceinline__ void Store(const Work& work, int64_t row, int64_t column, float sum) {
  if (row >= work.n || column >= work.k) return;
  float* const dw = work.dw + row * work.k + column;
  *dw = work.add ? *dw + sum : sum;
}

template <int kSide, bool kAligned>
__device__ __forceinline__ void Square(const Bf16Work& work) {
  auto* const stages = reinterpret_cast<Stage<kSide>*>(DynamicShared());
  const int64_t first_row = int64_t{blockIdx.y} * kSide;
  const int64_t first_column = int64_t{blockIdx.x} * kSide;
  const int64_t num_steps = (work.tokens + kStepTokens - 1) / kStepTokens;
  const auto fetch = [&](int64_t step) {
    if (step < num_steps) {
      Stage<kSide>& stage = stages[step % kStages];
      const int64_t first = step * kStepTokens;
      Fetch<kSide, kAligned>(work.dy, work.tokens, work.n, first, first_row, stage.dy);
      Fetch<kSide, kAligned>(work.x, work.tokens, work.k, first, first_column, stage.x);
    }
    CommitCopies();  // an empty group too, so that the count is the same at the end
  };
  float sums[kSide / 32][4][4] = {};
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_row = warp % 2 * (kSide / 2);
  const int warp_column = warp / 2 * kWarpColumns;
  for (int64_t step = 0; step < kStages - 1; ++step) fetch(step);
  for (int64_t step = 0; step < num_steps; ++step) {
    AwaitCopies<kStages - 2>();
    __syncthreads();  // all see the step, and nobody is at the one that is fetched over now
    fetch(step + kStages - 1);
    MultiplyStage<kSide>(stages[step % kStages], warp_row, warp_column, sums);
  }
  AwaitCopies<0>();
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < kSide / 32; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t row = first_row + warp_row + 16 * i + lane / 4;
      const int64_t column = first_column + warp_column + 8 * j + lane % 4 * 2;
      Store(work, row, column, sums[i][j][0]);
      Store(work, row, column + 1, sums[i][j][1]);
      Store(work, row + 8, column, sums[i][j][2]);
      Store(work, row + 8, column + 1, sums[i][j][3]);
    }
  }
}

// ---- f32 ----

constexpr int kFloatSide = 64;
constexpr int kFloatTokens = 16;
constexpr int kFloatThreads = 256;  // 4 x 4 elements each

struct FloatStage {
  alignas(16) float dy[kFloatTokens][kFloatSide];
  alignas(16) float x[kFloatTokens][kFloatSide];
};

template <typename T>
__device__ __forceinline__ void FetchFloats(const T* from, int64_t tokens, int64_t width,
                                            int64_t first_token, int64_t first_column,
                                            float (&to)[kFloatTokens][kFloatSide]) {
  for (int i = static_cast<int>(threadIdx.x); i < kFloatTokens * kFloatSide; i += kFloatThreads) {
    const int64_t token = first_token + i / kFloatSide;
    const int64_t column = first_column + i % kFloatSide;
    const bool is_there = token < tokens && column < width;
    to[i / kFloatSide][i % kFloatSide] = is_there ? ToFloat(from[token * width + column]) : 0.0f;
  }
}

template <typename Dy>
__device__ __forceinline__ void FloatSquare(const GradientWork<Dy, float>& work) {
  auto& stage = StaticShared<FloatStage>();
  const int64_t first_row = int64_t{blockIdx.y} * kFloatSide;
  const int64_t first_column = int64_t{blockIdx.x} * kFloatSide;
  const int own_row = static_cast<int>(threadIdx.x) / 16 * 4;
  const int own_column = static_cast<int>(threadIdx.x) % 16 * 4;
  float sums[4][4] = {};
  for (int64_t first = 0; first < work.tokens; first += kFloatTokens) {
    __syncthreads();  // nobody reads the step before
    FetchFloats(work.dy, work.tokens, work.n, first, first_row, stage.dy);
    FetchFloats(work.x, work.tokens, work.k, first, first_column, stage.x);
    __syncthreads();
#pragma unroll 4  // more would hold more operands than there are registers
    for (int token = 0; token < kFloatTokens; ++token) {
      const float4 dy = *reinterpret_cast<const float4*>(&stage.dy[token][own_row]);
      const float4 x = *reinterpret_cast<const float4*>(&stage.x[token][own_column]);
      const float rows[4] = {dy.x, dy.y, dy.z, dy.w};
      const float columns[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] = __fmaf_rn(rows[i], columns[j], sums[i][j]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      Store(work, first_row + own_row + i, first_column + own_column + j, sums[i][j]);
    }
  }
}

// ---- Kernels ----

// dw of all tokens, or of those of each group: offsets [num_groups + 1], and a dw for each.
struct Groups {
  const int32_t* offsets = nullptr;  // null: no groups
  float* dw[kGroupsPerLaunch] = {};
};

template <typename Work>
__device__ __forceinline__ Work WorkOfGroup(Work work, const Groups& groups) {
  if (groups.offsets == nullptr) return work;
  const int64_t first = groups.offsets[blockIdx.z];
  work.tokens = groups.offsets[blockIdx.z + 1] - first;
  work.dy += first * work.n;
  work.x += first * work.k;
  work.dw = groups.dw[blockIdx.z];
  return work;
}

template <int kSide, bool kAligned>
__global__ void __launch_bounds__(kThreads<kSide>)
    WeightGradientKernel(Bf16Work work, Groups groups) {
  Square<kSide, kAligned>(WorkOfGroup(work, groups));
}

template <typename Dy>
__global__ void __launch_bounds__(kFloatThreads)
    WeightGradientFloatKernel(GradientWork<Dy, float> work, Groups groups) {
  FloatSquare(WorkOfGroup(work, groups));
}

// ---- Launches ----

// What both ops are.
struct Operands {
  ConstTensorView dy;  // [tokens, n]
  ConstTensorView x;   // [tokens, k]
  float* dw = nullptr;
  MatmulOutput output = MatmulOutput::kStore;
  const Groups& groups;
  unsigned num_groups = 1;
};

template <typename Dy, typename X>
GradientWork<Dy, X> WorkOf(const Operands& args) {
  return {.dy = reinterpret_cast<const Dy*>(args.dy.bytes()),
          .x = reinterpret_cast<const X*>(args.x.bytes()),
          .dw = args.dw,
          .tokens = args.x.dim(0),
          .n = args.dy.dim(1),
          .k = args.x.dim(1),
          .add = args.output == MatmulOutput::kAdd};
}

bool RowsAreAligned(const void* rows, int64_t width) {
  return width % kChunk == 0 && reinterpret_cast<uintptr_t>(rows) % 16 == 0;
}

template <int kSide>
void RunSquares(Context& context, const Bf16Work& work, const Operands& args) {
  const bool is_aligned = RowsAreAligned(work.dy, work.n) && RowsAreAligned(work.x, work.k);
  const LaunchShape shape{{NumBlocks(work.k, kSide), NumBlocks(work.n, kSide), args.num_groups},
                          kThreads<kSide>,
                          kStages * sizeof(Stage<kSide>)};
  const auto kernel =
      is_aligned ? WeightGradientKernel<kSide, true> : WeightGradientKernel<kSide, false>;
  Launch("matmul_weight_gradient", shape, context.stream, kernel, work, args.groups);
}

template <typename Dy>
void RunFloatSquares(Context& context, const Operands& args) {
  const auto work = WorkOf<Dy, float>(args);
  const LaunchShape shape{
      {NumBlocks(work.k, kFloatSide), NumBlocks(work.n, kFloatSide), args.num_groups},
      kFloatThreads};
  Launch("matmul_weight_gradient", shape, context.stream, WeightGradientFloatKernel<Dy>, work,
         args.groups);
}

// dy is in x's dtype, or x in f32.
void Run(Context& context, const Operands& args) {
  if (args.x.dtype() == DType::kF32) {
    if (args.dy.dtype() == DType::kF32) return RunFloatSquares<float>(context, args);
    return RunFloatSquares<__nv_bfloat16>(context, args);
  }
  const auto work = WorkOf<__nv_bfloat16, __nv_bfloat16>(args);
  // Large squares read shared memory less for a product, once there are enough for all
  // multiprocessors (132 on an H100).
  constexpr int64_t kEnoughBlocks = 128;
  const int64_t num_large = int64_t{NumBlocks(work.k, 128)} * NumBlocks(work.n, 128);
  if (num_large * args.num_groups >= kEnoughBlocks) return RunSquares<128>(context, work, args);
  RunSquares<64>(context, work, args);
}

// dy as `Run` wants it.
ConstTensorView InDtypeOf(Context& context, WorkspaceScope& scratch, ConstTensorView x,
                          ConstTensorView dy) {
  if (x.dtype() == DType::kF32 || dy.dtype() == x.dtype()) return dy;
  const TensorView rounded = scratch.TakeTensor(DType::kBf16, dy.shape());
  cuda::Convert(context, {.x = dy, .y = rounded});
  return rounded;
}

}  // namespace

void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args) {
  if (args.dw.num_elements() == 0) return;
  WorkspaceScope scratch(context.workspace);
  Run(context, {.dy = InDtypeOf(context, scratch, args.x, args.dy),
                .x = args.x,
                .dw = args.dw.data<float>(),
                .output = args.output,
                .groups = {}});
}

void MatmulWeightGradientGrouped(Context& context, const MatmulWeightGradientGroupedArgs& args) {
  if (args.dw.front().shape().num_elements() == 0) return;
  WorkspaceScope scratch(context.workspace);
  const ConstTensorView dy = InDtypeOf(context, scratch, args.x, args.dy);
  for (size_t first = 0; first < args.dw.size(); first += kGroupsPerLaunch) {
    const size_t count = std::min<size_t>(args.dw.size() - first, kGroupsPerLaunch);
    Groups groups{.offsets = args.offsets.data<int32_t>() + first};
    for (size_t i = 0; i < count; ++i) groups.dw[i] = args.dw[first + i].data<float>();
    Run(context,
        {.dy = dy, .x = args.x, .groups = groups, .num_groups = static_cast<unsigned>(count)});
  }
}

}  // namespace tandem::cuda
