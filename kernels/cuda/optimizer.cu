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

struct ScaleBody {
  float* x;
  double factor;

  __device__ void operator()(int64_t i) const {
    x[i] = static_cast<float>(static_cast<double>(x[i]) * factor);
  }
};

struct CombineBody {
  const float* x;
  float x_factor;
  float* y;
  float y_factor;

  __device__ void operator()(int64_t i) const { y[i] = y_factor * y[i] + x_factor * x[i]; }
};

struct NesterovBody {
  const float* gradient;
  float scale;
  float momentum;
  float rest;  // 1 - momentum
  float* m;
  float* update;

  __device__ void operator()(int64_t i) const {
    const float g = gradient[i] * scale;
    const float moved = m[i] + rest * (g - m[i]);
    m[i] = moved;
    update[i] = g + momentum * (moved - g);
  }
};

}  // namespace

void Scale(Context& context, const ScaleArgs& args) {
  ForEach("scale", context.stream, args.x.num_elements(),
          ScaleBody{args.x.data<float>(), args.factor});
}

void Combine(Context& context, const CombineArgs& args) {
  ForEach("combine", context.stream, args.y.num_elements(),
          CombineBody{args.x.data<float>(), args.x_factor, args.y.data<float>(), args.y_factor});
}

void Nesterov(Context& context, const NesterovArgs& args) {
  ForEach("nesterov", context.stream, args.m.num_elements(),
          NesterovBody{.gradient = args.gradient.data<float>(),
                       .scale = args.scale,
                       .momentum = static_cast<float>(args.momentum),
                       .rest = static_cast<float>(1.0 - args.momentum),
                       .m = args.m.data<float>(),
                       .update = args.update.data<float>()});
}

void AdamW(Context& context, const AdamWArgs& args) {
  ForEach("adamw", context.stream, args.weights.num_elements(), AdamWBody{ElementsOf(args)});
}

}  // namespace tandem::cuda
