// Bound by memory: a thread does the four elements that share a random number, in one word where
// the operands lie so.

#include "kernels/dropout.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/dropout_mask.cuh"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/numbers.cuh"

namespace tandem::cuda {
namespace {

template <typename T>
struct alignas(4 * sizeof(T)) Four {
  T of[4];
};

template <typename T, DropoutOutput kOutput>
struct DropOutBody {
  const T* x;
  T* y;
  int64_t count;
  bool in_words;  // x and y begin where a Four<T> may
  DropoutMaskFields mask;

  __device__ static T Element(T before, T value, float factor) {
    const float dropped = ToFloat(value) * factor;
    return FromFloat<T>(kOutput == DropoutOutput::kAdd ? ToFloat(before) + dropped : dropped);
  }

  __device__ void operator()(int64_t group) const {
    const float4 drawn = DropoutFactors(mask, static_cast<uint64_t>(group));
    const float factors[4] = {drawn.x, drawn.y, drawn.z, drawn.w};
    const int64_t first = 4 * group;
    if (in_words && first + 4 <= count) {
      const auto values = *reinterpret_cast<const Four<T>*>(x + first);
      auto* const to = reinterpret_cast<Four<T>*>(y + first);
      Four<T> results{};
      if (kOutput == DropoutOutput::kAdd) results = *to;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        results.of[i] = Element(results.of[i], values.of[i], factors[i]);
      }
      *to = results;
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int64_t at = first + i;
      if (at < count) y[at] = Element(y[at], x[at], factors[i]);
    }
  }
};

template <typename T, DropoutOutput kOutput>
void Run(Context& context, const DropOutArgs& args) {
  const auto begins =
      reinterpret_cast<uintptr_t>(args.x.bytes()) | reinterpret_cast<uintptr_t>(args.y.bytes());
  const DropOutBody<T, kOutput> body{
      .x = reinterpret_cast<const T*>(args.x.bytes()),
      .y = reinterpret_cast<T*>(args.y.bytes()),
      .count = args.x.num_elements(),
      .in_words = begins % sizeof(Four<T>) == 0,
      .mask = args.mask.fields(),
  };
  ForEach("drop_out", context.stream, (body.count + 3) / 4, body);
}

}  // namespace

void DropOut(Context& context, const DropOutArgs& args) {
  if (args.x.dtype() == DType::kBf16) {
    Run<__nv_bfloat16, DropoutOutput::kStore>(context, args);
  } else if (args.output == DropoutOutput::kAdd) {
    Run<float, DropoutOutput::kAdd>(context, args);
  } else {
    Run<float, DropoutOutput::kStore>(context, args);
  }
}

}  // namespace tandem::cuda
