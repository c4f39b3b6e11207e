// Maximum and log-sum-exp of rows, in the order of sums that sampling.h states, which leaves much
// to do side by side: each of 16 lanes of each 1024 ids is a chain of 64 sums of its own, a
// thread's. A block does a row, which it reads twice; the second time from a cache. Bound by
// memory.

#include <algorithm>

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/block_search.cuh"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/sampling.h"

namespace tandem::cuda {
namespace {

constexpr int kSumLanes = 16;
constexpr int kSumIds = 1024;  // of a block of ids
constexpr int kMinThreads = 128;
constexpr int kMaxThreads = 1024;

struct StatisticsWork {
  const float* logits;
  float* statistics;
  int vocab;
  int num_chains;
  bool divide;
  float temperature;
};

// Of the ids in one lane of one block of ids.
template <bool kDivide>
__device__ __forceinline__ float SumOfChain(const float* logits, int vocab, int chain,
                                            float temperature, float max) {
  const int first = chain / kSumLanes * kSumIds + chain % kSumLanes;
  const int end = Lesser(vocab, (chain / kSumLanes + 1) * kSumIds);
  float sum = 0.0f;
#pragma unroll 4
  for (int i = first; i < end; i += kSumLanes) {
    const float logit = kDivide ? __fdiv_rn(logits[i], temperature) : logits[i];
    sum += Exp(logit - max);
  }
  return sum;
}

__global__ void __launch_bounds__(kMaxThreads) LogSoftmaxKernel(StatisticsWork work) {
  AwaitPrevious();
  LetNextStart();
  const float* logits = work.logits + int64_t{blockIdx.x} * work.vocab;
  float* statistics = work.statistics + int64_t{blockIdx.x} * 2;
  auto& scratch = StaticShared<SearchScratch>();
  float max = LargestOf(
      work.vocab, [&](int i) { return logits[i]; }, scratch);
  if (!(max < INFINITY && max > -INFINITY)) {  // the whole block agrees
    if (threadIdx.x < 2) statistics[threadIdx.x] = NAN;
    return;
  }
  max += 0.0f;  // one zero
  if (work.divide) max = __fdiv_rn(max, work.temperature);
  auto* const sums = reinterpret_cast<float*>(DynamicShared());  // [num_chains]
  for (int chain = static_cast<int>(threadIdx.x); chain < work.num_chains;
       chain += static_cast<int>(blockDim.x)) {
    sums[chain] = work.divide ? SumOfChain<true>(logits, work.vocab, chain, work.temperature, max)
                              : SumOfChain<false>(logits, work.vocab, chain, work.temperature, max);
  }
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  float total = 0.0f;
  for (int chain = LaneIndex() % kSumLanes; chain < work.num_chains; chain += kSumLanes) {
    total += sums[chain];
  }
  for (int step = kSumLanes / 2; step > 0; step /= 2) {
    total += __shfl_xor_sync(kAllLanes, total, step);
  }
  if (threadIdx.x == 0) {
    statistics[0] = max;
    statistics[1] = static_cast<float>(log(static_cast<double>(total)));
  }
}

struct PickBody {
  const float* logits;
  const float* statistics;
  const int32_t* ids;
  float* log_probs;
  int64_t count;
  int64_t vocab;

  __device__ void operator()(int64_t i) const {
    const int64_t row = i / count;
    const int32_t id = ids[i];
    const bool is_there = id >= 0 && id < vocab;
    const float max = statistics[2 * row];
    const float log_sum = statistics[2 * row + 1];
    log_probs[i] = is_there ? (logits[row * vocab + id] - max) - log_sum : NAN;
  }
};

}  // namespace

void LogSoftmaxStatistics(Context& context, const LogSoftmaxStatisticsArgs& args) {
  const int64_t rows = args.logits.dim(0);
  if (rows == 0) return;
  const auto vocab = static_cast<int>(args.logits.dim(1));
  const int num_chains = (vocab + kSumIds - 1) / kSumIds * kSumLanes;
  const StatisticsWork work{
      .logits = args.logits.data<float>(),
      .statistics = args.statistics.data<float>(),
      .vocab = vocab,
      .num_chains = num_chains,
      .divide = args.temperature != 1.0f,
      .temperature = args.temperature,
  };
  const int threads =
      std::clamp((num_chains + kWarp - 1) / kWarp * kWarp, kMinThreads, kMaxThreads);
  const LaunchShape shape{.grid = static_cast<unsigned>(rows),
                          .block = static_cast<unsigned>(threads),
                          .shared_bytes = static_cast<size_t>(num_chains) * sizeof(float),
                          .waits_inside = true};
  Launch("log_softmax_statistics", shape, context.stream, LogSoftmaxKernel, work);
}

void PickLogProbs(Context& context, const PickLogProbsArgs& args) {
  const PickBody body{
      .logits = args.logits.data<float>(),
      .statistics = args.statistics.data<float>(),
      .ids = args.ids.data<int32_t>(),
      .log_probs = args.log_probs.data<float>(),
      .count = args.ids.dim(1),
      .vocab = args.logits.dim(1),
  };
  ForEach("pick_log_probs", context.stream, args.ids.num_elements(), body);
}

}  // namespace tandem::cuda
