// Bound by memory: a thread an element, in PyTorch's order of operations.

#include "kernels/optimizer.h"

#include "kernels/adamw_elements.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"

namespace tandem::cuda {
namespace {

struct AdamWBody {
  AdamWElements work;

  __device__ void operator()(int64_t i) const {
    const float g = work.gradient[i] * work.scale;
    const float first = work.m[i] + work.one_minus_beta1 * (g - work.m[i]);
    const float second = work.beta2 * work.v[i] + work.one_minus_beta2 * g * g;
    work.m[i] = first;
    work.v[i] = second;
    const float denominator = __fsqrt_rn(second) * work.inverse_root + work.eps;
    work.weights[i] = work.weights[i] * work.keep - work.step_size * __fdiv_rn(first, denominator);
  }
};

}  // namespace

void AdamW(Context& context, const AdamWArgs& args) {
  ForEach("adamw", context.stream, args.weights.num_elements(), AdamWBody{ElementsOf(args)});
}

}  // namespace tandem::cuda
