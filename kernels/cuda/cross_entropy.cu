// Losses of rows, a thread each, and gradients of their logits: a block a row, in place where they
// may be. Bound by memory.

#include "kernels/cross_entropy_block.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"

namespace tandem::cuda {
namespace {

constexpr int kThreads = 256;

struct LossBody {
  const float* logits;
  const float* statistics;
  const int32_t* targets;
  float* losses;
  int64_t vocab;

  __device__ void operator()(int64_t row) const {
    const int32_t target = targets[row];
    const bool is_there = target >= 0 && target < vocab;
    const float max = statistics[2 * row];
    const float log_sum = statistics[2 * row + 1];
    losses[row] = is_there ? -((logits[row * vocab + target] - max) - log_sum) : NAN;
  }
};

template <typename D>
struct GradientWork {
  const float* logits;
  const float* statistics;
  const int32_t* targets;
  const float* weights;
  D* gradient;  // may be logits
  int64_t vocab;
};

template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Several {
  T of[kWidth];
};

// kWidth divides vocab, and elements of kWidth are aligned.
template <typename D, int kWidth>
__global__ void __launch_bounds__(kThreads) GradientKernel(GradientWork<D> work) {
  const int64_t row = blockIdx.x;
  const float max = work.statistics[2 * row];
  const float log_sum = work.statistics[2 * row + 1];
  const float weight = work.weights[row];
  const int64_t target = work.targets[row];
  const auto* logits =
      reinterpret_cast<const Several<float, kWidth>*>(work.logits + row * work.vocab);
  auto* gradient = reinterpret_cast<Several<D, kWidth>*>(work.gradient + row * work.vocab);
  for (int64_t i = threadIdx.x; i < work.vocab / kWidth; i += kThreads) {
    const Several<float, kWidth> from = logits[i];
    Several<D, kWidth> to;
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      float p = Exp((from.of[j] - max) - log_sum);
      if (i * kWidth + j == target) p = p - 1.0f;
      to.of[j] = FromFloat<D>(p * weight);
    }
    gradient[i] = to;
  }
}

template <typename D>
void Run(Context& context, const CrossEntropyGradientArgs& args) {
  const GradientWork<D> work{
      .logits = args.logits.data<float>(),
      .statistics = args.statistics.data<float>(),
      .targets = args.targets.data<int32_t>(),
      .weights = args.weights.data<float>(),
      .gradient = reinterpret_cast<D*>(args.gradient.bytes()),
      .vocab = args.logits.dim(1),
  };
  const auto is_aligned = [](const void* at) { return reinterpret_cast<uintptr_t>(at) % 16 == 0; };
  const bool wide = work.vocab % 4 == 0 && is_aligned(work.logits) && is_aligned(work.gradient);
  Launch("cross_entropy_gradient", {static_cast<unsigned>(args.logits.dim(0)), kThreads},
         context.stream, wide ? GradientKernel<D, 4> : GradientKernel<D, 1>, work);
}

}  // namespace

void CrossEntropyLoss(Context& context, const CrossEntropyLossArgs& args) {
  const LossBody body{
      .logits = args.logits.data<float>(),
      .statistics = args.statistics.data<float>(),
      .targets = args.targets.data<int32_t>(),
      .losses = args.losses.data<float>(),
      .vocab = args.logits.dim(1),
  };
  ForEach("cross_entropy_loss", context.stream, args.logits.dim(0), body);
}

void CrossEntropyGradient(Context& context, const CrossEntropyGradientArgs& args) {
  if (args.logits.num_elements() == 0) return;
  if (args.gradient.dtype() == DType::kBf16) {
    Run<__nv_bfloat16>(context, args);
  } else {
    Run<float>(context, args);
  }
}

}  // namespace tandem::cuda
