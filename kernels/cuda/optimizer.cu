// Bound by memory: a thread an element, in PyTorch's order of operations.

#include "kernels/optimizer.h"

#include <cmath>

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"

namespace tandem::cuda {
namespace {

struct AdamWBody {
  float* weights;
  const float* gradient;
  float* m;
  float* v;
  float scale;
  float keep;
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float inverse_root;
  float eps;
  float step_size;

  __device__ void operator()(int64_t i) const {
    const float g = gradient[i] * scale;
    const float first = m[i] + one_minus_beta1 * (g - m[i]);
    const float second = beta2 * v[i] + one_minus_beta2 * g * g;
    m[i] = first;
    v[i] = second;
    const float denominator = __fsqrt_rn(second) * inverse_root + eps;
    weights[i] = weights[i] * keep - step_size * __fdiv_rn(first, denominator);
  }
};

}  // namespace

void AdamW(Context& context, const AdamWArgs& args) {
  const auto step = static_cast<double>(args.step);
  const double correction1 = 1.0 - std::pow(args.beta1, step);
  const double correction2 = 1.0 - std::pow(args.beta2, step);
  const AdamWBody body{
      .weights = args.weights.data<float>(),
      .gradient = args.gradient.data<float>(),
      .m = args.m.data<float>(),
      .v = args.v.data<float>(),
      .scale = args.scale,
      .keep = static_cast<float>(1.0 - args.rate * args.decay),
      .one_minus_beta1 = static_cast<float>(1.0 - args.beta1),
      .beta2 = static_cast<float>(args.beta2),
      .one_minus_beta2 = static_cast<float>(1.0 - args.beta2),
      .inverse_root = static_cast<float>(1.0 / std::sqrt(correction2)),
      .eps = static_cast<float>(args.eps),
      .step_size = static_cast<float>(args.rate / correction1),
  };
  ForEach("adamw", context.stream, args.weights.num_elements(), body);
}

}  // namespace tandem::cuda
