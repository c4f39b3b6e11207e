// Permuting, gathering and combining in a mixture of experts. The moves and the combine are bound
// by memory: 16 bytes a thread where rows allow. The permutation is a counting sort in one block:
// bound by the latency of a few passes over the choices, and no atomics decide an order.

#include "kernels/moe.h"

#include "kernels/cpu/moe_rows.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {
namespace {

constexpr int kMaxExperts = static_cast<int>(cpu::MoeRouteRows::kMaxExperts);

// ---- Permuting ----

constexpr int kPermuteThreads = 1024;
constexpr int kPermuteWarps = kPermuteThreads / kWarp;
static_assert(kMaxExperts <= kPermuteThreads);  // a thread an expert

struct PermuteWork {
  const int32_t* experts;  // [num_choices]
  int32_t* offsets;        // [num_experts + 1]
  int32_t* row_of;         // [num_choices]
  int32_t* token_of;       // [num_choices]
  int32_t num_choices;
  int num_experts;
  int top_k;
};

// What a warp does with its share of the choices, ascending, 32 at a time: body(choice, expert,
// lanes of the same expert). Lanes beyond the end have expert -1.
template <typename Body>
__device__ __forceinline__ void ForOwnChoices(const PermuteWork& work, const Body& body) {
  constexpr int kAtOnce = 4;  // loads under way
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int num_groups = (work.num_choices + kWarp - 1) / kWarp;
  const int per_warp = (num_groups + kPermuteWarps - 1) / kPermuteWarps;
  const int begin = warp * per_warp;
  const int end = begin + per_warp < num_groups ? begin + per_warp : num_groups;
  for (int first = begin; first < end; first += kAtOnce) {
    int experts[kAtOnce];
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
      const int choice = (first + j) * kWarp + lane;
      experts[j] = first + j < end && choice < work.num_choices ? work.experts[choice] : -1;
    }
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
      const unsigned same = __match_any_sync(kAllLanes, experts[j]);
      body((first + j) * kWarp + lane, experts[j], same);
      __syncwarp();
    }
  }
}

// The sum of `value` over the threads before this one; `sum_of_warp`: [kPermuteWarps], shared.
__device__ __forceinline__ int32_t SumBefore(int32_t value, int32_t* sum_of_warp) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  int32_t sum = value;
  for (int step = 1; step < kWarp; step *= 2) {
    const int32_t before = __shfl_up_sync(kAllLanes, sum, step);
    if (lane >= step) sum += before;
  }
  if (lane == kWarp - 1) sum_of_warp[threadIdx.x / kWarp] = sum;
  __syncthreads();
  for (unsigned warp = 0; warp < threadIdx.x / kWarp; ++warp) sum += sum_of_warp[warp];
  return sum - value;
}

__global__ void __launch_bounds__(kPermuteThreads) MoePermuteKernel(PermuteWork work) {
  AwaitPrevious();
  LetNextStart();
  // [kPermuteWarps][num_experts]: how many choices a warp has of an expert, then the next row of it
  auto* const counts = reinterpret_cast<int32_t*>(DynamicShared());
  int32_t* const sum_of_warp = counts + kPermuteWarps * work.num_experts;
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarp;
  int32_t* const own = counts + thread / kWarp * work.num_experts;
  for (int i = lane; i < work.num_experts; i += kWarp) own[i] = 0;
  __syncwarp();
  ForOwnChoices(work, [&](int, int expert, unsigned same) {
    if (expert >= 0 && lane == __ffs(static_cast<int>(same)) - 1) own[expert] += __popc(same);
  });
  __syncthreads();
  int32_t total = 0;
  if (thread < work.num_experts) {
    for (int warp = 0; warp < kPermuteWarps; ++warp) {
      int32_t& count = counts[warp * work.num_experts + thread];
      const int32_t before = total;
      total += count;
      count = before;
    }
  }
  const int32_t offset = SumBefore(total, sum_of_warp);
  if (thread < work.num_experts) {
    for (int warp = 0; warp < kPermuteWarps; ++warp) {
      counts[warp * work.num_experts + thread] += offset;
    }
    work.offsets[thread + 1] = offset + total;
  }
  if (thread == 0) work.offsets[0] = 0;
  __syncthreads();
  ForOwnChoices(work, [&](int choice, int expert, unsigned same) {
    if (expert >= 0) {
      const int32_t row = own[expert] + __popc(same & ((1u << lane) - 1u));
      work.row_of[choice] = row;
      work.token_of[row] = choice / work.top_k;
    }
    __syncwarp();  // all have read
    if (expert >= 0 && lane == __ffs(static_cast<int>(same)) - 1) own[expert] += __popc(same);
  });
}

// ---- Gathering ----

constexpr int kRowsPerBlock = 8;  // a warp each

template <typename Piece>
struct GatherWork {
  const Piece* x;       // [tokens, width]
  const int32_t* rows;  // [num_rows]
  Piece* y;             // [num_rows, width]
  int64_t num_rows;
  int64_t width;
};

template <typename Piece>
__global__ void __launch_bounds__(kRowsPerBlock* kWarp) GatherRowsKernel(GatherWork<Piece> work) {
  AwaitPrevious();
  LetNextStart();
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= work.num_rows) return;
  const Piece* const from = work.x + int64_t{work.rows[row]} * work.width;
  Piece* const to = work.y + row * work.width;
  for (int64_t i = threadIdx.x % kWarp; i < work.width; i += kWarp) to[i] = from[i];
}

bool Fits(const void* pointer, size_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

// Rows as pieces of this type, if they are.
template <typename Piece>
bool RunGather(Context& context, const GatherRowsArgs& args, int64_t row_bytes) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(Piece));
  if (row_bytes % kBytes != 0 || !Fits(args.x.bytes(), sizeof(Piece)) ||
      !Fits(args.y.bytes(), sizeof(Piece))) {
    return false;
  }
  const GatherWork<Piece> work{.x = reinterpret_cast<const Piece*>(args.x.bytes()),
                               .rows = args.rows.data<int32_t>(),
                               .y = reinterpret_cast<Piece*>(args.y.bytes()),
                               .num_rows = args.rows.dim(0),
                               .width = row_bytes / kBytes};
  const LaunchShape shape{.grid = NumBlocks(work.num_rows, kRowsPerBlock),
                          .block = kRowsPerBlock * kWarp,
                          .waits_inside = true};
  Launch("gather_rows", shape, context.stream, GatherRowsKernel<Piece>, work);
  return true;
}

// ---- Combining ----

// Elements i to i + 3 of a row; zero beyond its end.
template <bool kAligned>
__device__ __forceinline__ float4 Load4(const float* row, int64_t i, int64_t width) {
  if constexpr (kAligned) {
    return *reinterpret_cast<const float4*>(row + i);
  } else {
    return {row[i], i + 1 < width ? row[i + 1] : 0.0f, i + 2 < width ? row[i + 2] : 0.0f,
            i + 3 < width ? row[i + 3] : 0.0f};
  }
}

template <bool kAligned>
__device__ __forceinline__ void Store4(float* row, int64_t i, int64_t width, float4 value) {
  if constexpr (kAligned) {
    *reinterpret_cast<float4*>(row + i) = value;
  } else {
    row[i] = value.x;
    if (i + 1 < width) row[i + 1] = value.y;
    if (i + 2 < width) row[i + 2] = value.z;
    if (i + 3 < width) row[i + 3] = value.w;
  }
}

template <bool kAligned>
__device__ __forceinline__ void Store4(__nv_bfloat16* row, int64_t i, int64_t width, float4 value) {
  if constexpr (kAligned) {
    struct alignas(8) Four {
      __nv_bfloat162 low, high;
    };
    *reinterpret_cast<Four*>(row + i) = {__floats2bfloat162_rn(value.x, value.y),
                                         __floats2bfloat162_rn(value.z, value.w)};
  } else {
    row[i] = FromFloat<__nv_bfloat16>(value.x);
    if (i + 1 < width) row[i + 1] = FromFloat<__nv_bfloat16>(value.y);
    if (i + 2 < width) row[i + 2] = FromFloat<__nv_bfloat16>(value.z);
    if (i + 3 < width) row[i + 3] = FromFloat<__nv_bfloat16>(value.w);
  }
}

__device__ __forceinline__ float4 Sum(float4 a, float4 b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}
__device__ __forceinline__ float4 Times(float a, float4 b) {
  return {a * b.x, a * b.y, a * b.z, a * b.w};
}

constexpr int kCombineThreads = 128;

struct CombineWork {
  const float* y_rows;    // [tokens * top_k, width]
  const int32_t* row_of;  // [tokens, top_k], or null: rows lie as choices do
  const float* weights;   // [tokens, top_k]
  const float* shared;    // [tokens, width] or null
  float* y;               // [tokens, width]
  int64_t width;
  int top_k;
};

// A block a token.
template <bool kAligned>
__global__ void __launch_bounds__(kCombineThreads) MoeCombineKernel(CombineWork work) {
  AwaitPrevious();
  LetNextStart();
  const int64_t token = blockIdx.x;
  const float* const weights = work.weights + token * work.top_k;
  float* const y = work.y + token * work.width;
  for (int64_t i = int64_t{threadIdx.x} * 4; i < work.width; i += kCombineThreads * 4) {
    const auto expert = [&](int choice) {
      const int64_t at = token * work.top_k + choice;
      const float* const row =
          work.y_rows + (work.row_of == nullptr ? at : work.row_of[at]) * work.width;
      return Times(weights[choice], Load4<kAligned>(row, i, work.width));
    };
    float4 sum = expert(0);
    for (int choice = 1; choice < work.top_k; ++choice) sum = Sum(sum, expert(choice));
    if (work.shared != nullptr) {
      sum = Sum(sum, Load4<kAligned>(work.shared + token * work.width, i, work.width));
    }
    Store4<kAligned>(y, i, work.width, Sum(Load4<kAligned>(y, i, work.width), sum));
  }
}

template <typename T>
struct CombineBackwardWork {
  const float* dy;        // [tokens, width]
  const float* y_rows;    // [num_choices, width]
  const int32_t* row_of;  // [num_choices]
  const float* weights;   // [num_choices]
  T* dy_rows;             // [num_choices, width]
  float* dweights;        // [num_choices]
  int64_t num_choices;
  int64_t width;
  int top_k;
};

// A warp a choice: its lanes sum four neighbours of every 128 ascending, then a butterfly.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kRowsPerBlock* kWarp)
    MoeCombineBackwardKernel(CombineBackwardWork<T> work) {
  const int64_t choice = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (choice >= work.num_choices) return;  // whole warps, and nobody meets at a barrier
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t row = work.row_of[choice];
  const float weight = work.weights[choice];
  const float* const dy = work.dy + choice / work.top_k * work.width;
  const float* const y = work.y_rows + row * work.width;
  float sum = 0.0f;
  for (int64_t i = lane * 4; i < work.width; i += kWarp * 4) {
    const float4 a = Load4<kAligned>(dy, i, work.width);
    const float4 b = Load4<kAligned>(y, i, work.width);
    sum += a.x * b.x;
    sum += a.y * b.y;
    sum += a.z * b.z;
    sum += a.w * b.w;
    Store4<kAligned>(work.dy_rows + row * work.width, i, work.width, Times(weight, a));
  }
  sum = WarpSum(sum);
  if (lane == 0) work.dweights[choice] = sum;
}

template <typename T>
void RunCombineBackward(Context& context, const MoeCombineBackwardArgs& args) {
  const CombineBackwardWork<T> work{.dy = args.dy.data<float>(),
                                    .y_rows = args.y_rows.data<float>(),
                                    .row_of = args.row_of.data<int32_t>(),
                                    .weights = args.weights.data<float>(),
                                    .dy_rows = reinterpret_cast<T*>(args.dy_rows.bytes()),
                                    .dweights = args.dweights.data<float>(),
                                    .num_choices = args.row_of.num_elements(),
                                    .width = args.dy.dim(1),
                                    .top_k = static_cast<int>(args.row_of.dim(1))};
  const bool is_aligned = work.width % 4 == 0 && Fits(work.dy, 16) && Fits(work.y_rows, 16) &&
                          Fits(work.dy_rows, 4 * sizeof(T));
  Launch("moe_combine_backward",
         {NumBlocks(work.num_choices, kRowsPerBlock), kRowsPerBlock * kWarp}, context.stream,
         is_aligned ? MoeCombineBackwardKernel<T, true> : MoeCombineBackwardKernel<T, false>, work);
}

}  // namespace

void MoePermute(Context& context, const MoePermuteArgs& args) {
  CHECK(args.num_experts <= kMaxExperts, args.num_experts);
  CHECK(args.experts.num_elements() <= (int64_t{1} << 30), args.experts.shape());
  const PermuteWork work{.experts = args.experts.data<int32_t>(),
                         .offsets = args.offsets.data<int32_t>(),
                         .row_of = args.row_of.data<int32_t>(),
                         .token_of = args.token_of.data<int32_t>(),
                         .num_choices = static_cast<int32_t>(args.experts.num_elements()),
                         .num_experts = static_cast<int>(args.num_experts),
                         .top_k = static_cast<int>(args.experts.dim(1))};
  const size_t counts = static_cast<size_t>(kPermuteWarps) * (args.num_experts + 1);
  const LaunchShape shape{.grid = 1,
                          .block = kPermuteThreads,
                          .shared_bytes = counts * sizeof(int32_t),
                          .waits_inside = true};
  Launch("moe_permute", shape, context.stream, MoePermuteKernel, work);
}

void GatherRows(Context& context, const GatherRowsArgs& args) {
  if (args.y.num_elements() == 0) return;
  const int64_t row_bytes = args.y.size_bytes() / args.y.dim(0);
  if (RunGather<uint4>(context, args, row_bytes)) return;
  if (RunGather<uint32_t>(context, args, row_bytes)) return;
  if (RunGather<uint16_t>(context, args, row_bytes)) return;
  RunGather<uint8_t>(context, args, row_bytes);
}

void MoeCombine(Context& context, const MoeCombineArgs& args) {
  if (args.y.num_elements() == 0) return;
  const CombineWork work{.y_rows = args.y_rows.data<float>(),
                         .row_of = args.row_of.empty() ? nullptr : args.row_of.data<int32_t>(),
                         .weights = args.weights.data<float>(),
                         .shared = args.shared.empty() ? nullptr : args.shared.data<float>(),
                         .y = args.y.data<float>(),
                         .width = args.y.dim(1),
                         .top_k = static_cast<int>(args.weights.dim(1))};
  const bool is_aligned =
      work.width % 4 == 0 && Fits(work.y_rows, 16) && Fits(work.shared, 16) && Fits(work.y, 16);
  const LaunchShape shape{
      .grid = static_cast<unsigned>(args.y.dim(0)), .block = kCombineThreads, .waits_inside = true};
  Launch("moe_combine", shape, context.stream,
         is_aligned ? MoeCombineKernel<true> : MoeCombineKernel<false>, work);
}

void MoeCombineBackward(Context& context, const MoeCombineBackwardArgs& args) {
  if (args.row_of.num_elements() == 0) return;
  if (args.dy_rows.dtype() == DType::kF32) return RunCombineBackward<float>(context, args);
  RunCombineBackward<__nv_bfloat16>(context, args);
}

}  // namespace tandem::cuda
