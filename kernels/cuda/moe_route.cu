// Routing of a mixture of experts and its backward: one warp a token, bound by latency. The order
// of sums is the CPU's, so that the same logits choose the same experts on both.

#include "kernels/cpu/moe_rows.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/warp.cuh"
#include "kernels/moe.h"

namespace tandem::cuda {
namespace {

constexpr int kMaxExperts = static_cast<int>(cpu::MoeRouteRows::kMaxExperts);
constexpr int kTokensPerBlock = 4;  // a warp each
constexpr int kRouteThreads = kTokensPerBlock * kWarp;

__device__ __forceinline__ float Infinity() { return __int_as_float(0x7f800000); }

// As kernels/cpu/moe_rows.cc has it: softmax sums every 16th score ascending, then a tree over the
// 16 sums. Lane l of the warp writes scores l, l + 32, ... and reads no others.
__device__ __forceinline__ void Scores(const float* logits, int count, bool is_sigmoid,
                                       float* scores) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (is_sigmoid) {
    for (int i = lane; i < count; i += kWarp) {
      scores[i] = __fdiv_rn(1.0f, 1.0f + Exp(-logits[i]));
    }
    return;
  }
  float top = -Infinity();  // no NaN
  for (int i = lane; i < count; i += kWarp) top = logits[i] > top ? logits[i] : top;
  top = WarpMax(top);
  float sum = 0.0f;  // of lanes 0 to 15
  for (int first = 0; first < count; first += kWarp) {
    const int i = first + lane;
    const float e = Exp((i < count ? logits[i] : -Infinity()) - top);
    if (i < count) scores[i] = e;
    const float next = __shfl_down_sync(kAllLanes, e, 16);
    sum = sum + e;
    if (first + 16 < count) sum = sum + next;
  }
  for (int step = 8; step > 0; step /= 2) sum += __shfl_down_sync(kAllLanes, sum, step);
  const float total = __shfl_sync(kAllLanes, sum, 0);
  for (int i = lane; i < count; i += kWarp) scores[i] = __fdiv_rn(scores[i], total);
}

struct Candidate {
  float score;
  int expert;  // -1: none
};

__device__ __forceinline__ Candidate Better(Candidate a, Candidate b) {
  if (b.expert < 0) return a;
  if (a.expert < 0 || b.score > a.score) return b;
  return b.score == a.score && b.expert < a.expert ? b : a;
}

// The best score that is left, ties to the lower expert; but the first one left where that is NaN,
// as nothing compares larger. Bit j of `taken` is of expert lane + 32 j; it is set for the choice.
__device__ __forceinline__ Candidate TakeBest(const float* scores, int count, uint32_t& taken) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  Candidate best{0.0f, -1};
  int first = kMaxExperts;
  for (int i = lane; i < count; i += kWarp) {
    if ((taken >> (i / kWarp) & 1u) != 0) continue;
    if (i < first) first = i;
    const float score = scores[i];
    if (score == score && (best.expert < 0 || score > best.score)) best = {score, i};
  }
  for (int step = kWarp / 2; step > 0; step /= 2) {
    best = Better(best, {__shfl_xor_sync(kAllLanes, best.score, step),
                         __shfl_xor_sync(kAllLanes, best.expert, step)});
  }
  first = __reduce_min_sync(kAllLanes, first);
  const float first_score = scores[first];
  if (first_score != first_score) best = {first_score, first};
  if (best.expert % kWarp == lane) taken |= 1u << (best.expert / kWarp);
  return best;
}

struct RouteWork {
  const float* logits;  // [tokens, num_experts]
  int32_t* experts;     // [tokens, top_k]
  float* weights;       // [tokens, top_k]
  int64_t tokens;
  int num_experts;
  int top_k;
  bool is_sigmoid;
  bool renormalise;
};

struct WarpScores {
  float of_token[kTokensPerBlock][kMaxExperts];
};

__global__ void __launch_bounds__(kRouteThreads) MoeRouteKernel(RouteWork work) {
  AwaitPrevious();
  LetNextStart();
  auto& shared = StaticShared<WarpScores>();
  const int64_t token = int64_t{blockIdx.x} * kTokensPerBlock + threadIdx.x / kWarp;
  if (token >= work.tokens) return;  // whole warps, and nobody meets at a barrier
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  float* const scores = shared.of_token[threadIdx.x / kWarp];
  int32_t* const experts = work.experts + token * work.top_k;
  float* const weights = work.weights + token * work.top_k;
  Scores(work.logits + token * work.num_experts, work.num_experts, work.is_sigmoid, scores);
  __syncwarp();  // the first score that is left may be another lane's
  uint32_t taken = 0;
  float sum = 0.0f;
  for (int choice = 0; choice < work.top_k; ++choice) {
    const Candidate best = TakeBest(scores, work.num_experts, taken);
    sum = sum + best.score;
    if (lane == choice % kWarp) {
      experts[choice] = best.expert;
      weights[choice] = best.score;
    }
  }
  if (!work.renormalise) return;
  for (int choice = lane; choice < work.top_k; choice += kWarp) {  // those it wrote itself
    weights[choice] = __fdiv_rn(weights[choice], sum + 1e-20f);
  }
}

struct RouteBackwardWork {
  const float* logits;     // [tokens, num_experts]
  const int32_t* experts;  // [tokens, top_k]
  const float* dweights;   // [tokens, top_k]
  const float* dscores;    // [tokens, num_experts] or null
  float* dlogits;          // [tokens, num_experts]
  int64_t tokens;
  int num_experts;
  int top_k;
  bool is_sigmoid;
  bool renormalise;
};

struct RouteGradients {
  float scores[kTokensPerBlock][kMaxExperts];
  float gradient[kTokensPerBlock][kMaxExperts];  // of the scores
};

__global__ void __launch_bounds__(kRouteThreads) MoeRouteBackwardKernel(RouteBackwardWork work) {
  auto& shared = StaticShared<RouteGradients>();
  const int64_t token = int64_t{blockIdx.x} * kTokensPerBlock + threadIdx.x / kWarp;
  if (token >= work.tokens) return;  // whole warps, and nobody meets at a barrier
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int count = work.num_experts;
  float* const scores = shared.scores[threadIdx.x / kWarp];
  float* const gradient = shared.gradient[threadIdx.x / kWarp];
  const int32_t* const experts = work.experts + token * work.top_k;
  const float* const dweights = work.dweights + token * work.top_k;
  Scores(work.logits + token * count, count, work.is_sigmoid, scores);
  for (int i = lane; i < count; i += kWarp) {
    gradient[i] = work.dscores == nullptr ? 0.0f : work.dscores[token * count + i];
  }
  __syncwarp();
  float sum = 0.0f;
  float product = 0.0f;
  for (int choice = 0; choice < work.top_k; ++choice) {
    const float score = scores[experts[choice]];
    sum = sum + score;
    product = product + dweights[choice] * score;
  }
  const float total = sum + 1e-20f;  // weight = score / total
  const float share = __fdiv_rn(product, total);
  for (int choice = lane; choice < work.top_k; choice += kWarp) {  // of experts that differ
    const float d =
        work.renormalise ? __fdiv_rn(dweights[choice] - share, total) : dweights[choice];
    gradient[experts[choice]] += d;
  }
  __syncwarp();
  float mean = 0.0f;
  for (int i = lane; i < count; i += kWarp) mean += scores[i] * gradient[i];
  mean = WarpSum(mean);
  float* const dlogits = work.dlogits + token * count;
  for (int i = lane; i < count; i += kWarp) {
    dlogits[i] = work.is_sigmoid ? scores[i] * (1.0f - scores[i]) * gradient[i]
                                 : scores[i] * (gradient[i] - mean);
  }
}

}  // namespace

void MoeRoute(Context& context, const MoeRouteArgs& args) {
  const RouteWork work{.logits = args.logits.data<float>(),
                       .experts = args.experts.data<int32_t>(),
                       .weights = args.weights.data<float>(),
                       .tokens = args.logits.dim(0),
                       .num_experts = static_cast<int>(args.logits.dim(1)),
                       .top_k = static_cast<int>(args.experts.dim(1)),
                       .is_sigmoid = args.score == MoeScore::kSigmoid,
                       .renormalise = args.renormalise};
  if (work.tokens == 0) return;
  const LaunchShape shape{.grid = NumBlocks(work.tokens, kTokensPerBlock),
                          .block = kRouteThreads,
                          .waits_inside = true};
  Launch("moe_route", shape, context.stream, MoeRouteKernel, work);
}

void MoeRouteBackward(Context& context, const MoeRouteBackwardArgs& args) {
  const RouteBackwardWork work{
      .logits = args.logits.data<float>(),
      .experts = args.experts.data<int32_t>(),
      .dweights = args.dweights.data<float>(),
      .dscores = args.dscores.empty() ? nullptr : args.dscores.data<float>(),
      .dlogits = args.dlogits.data<float>(),
      .tokens = args.logits.dim(0),
      .num_experts = static_cast<int>(args.logits.dim(1)),
      .top_k = static_cast<int>(args.experts.dim(1)),
      .is_sigmoid = args.score == MoeScore::kSigmoid,
      .renormalise = args.renormalise};
  if (work.tokens == 0) return;
  Launch("moe_route_backward", {NumBlocks(work.tokens, kTokensPerBlock), kRouteThreads},
         context.stream, MoeRouteBackwardKernel, work);
}

}  // namespace tandem::cuda
