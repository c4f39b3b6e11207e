// Bound by memory: a thread an element.

#include "kernels/activation.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/numbers.cuh"

namespace tandem::cuda {
namespace {

__device__ __forceinline__ float Sigmoid(float x) { return __fdiv_rn(1.0f, 1.0f + Exp(-x)); }

template <typename Y>
struct SiluMulBody {
  const float* gate_up;
  Y* y;
  int64_t width;

  __device__ void operator()(int64_t i) const {
    const int64_t at = i / width * 2 * width + i % width;
    y[i] = FromFloat<Y>(Silu(gate_up[at]) * gate_up[at + width]);
  }
};

template <typename D>
struct SiluMulBackwardBody {
  const float* gate_up;
  const float* dy;
  D* dgate_up;
  int64_t width;

  __device__ void operator()(int64_t i) const {
    const int64_t at = i / width * 2 * width + i % width;
    const float gate = gate_up[at];
    const float up = gate_up[at + width];
    const float s = Sigmoid(gate);
    dgate_up[at] = FromFloat<D>(dy[i] * up * s * (1.0f + gate * (1.0f - s)));
    dgate_up[at + width] = FromFloat<D>(dy[i] * gate * s);
  }
};

struct AddBody {
  const float* x;
  float* y;

  __device__ void operator()(int64_t i) const { y[i] += x[i]; }
};

template <typename Y>
void RunSiluMul(Context& context, const SiluMulArgs& args) {
  const SiluMulBody<Y> body{args.gate_up.data<float>(), reinterpret_cast<Y*>(args.y.bytes()),
                            args.y.dim(1)};
  ForEach("silu_mul", context.stream, args.y.num_elements(), body);
}

template <typename D>
void RunSiluMulBackward(Context& context, const SiluMulBackwardArgs& args) {
  const SiluMulBackwardBody<D> body{args.gate_up.data<float>(), args.dy.data<float>(),
                                    reinterpret_cast<D*>(args.dgate_up.bytes()), args.dy.dim(1)};
  ForEach("silu_mul_backward", context.stream, args.dy.num_elements(), body);
}

}  // namespace

void SiluMul(Context& context, const SiluMulArgs& args) {
  if (args.y.dtype() == DType::kF32) return RunSiluMul<float>(context, args);
  RunSiluMul<__nv_bfloat16>(context, args);
}

void SiluMulBackward(Context& context, const SiluMulBackwardArgs& args) {
  if (args.dgate_up.dtype() == DType::kF32) return RunSiluMulBackward<float>(context, args);
  RunSiluMulBackward<__nv_bfloat16>(context, args);
}

void Add(Context& context, const AddArgs& args) {
  ForEach("add", context.stream, args.y.num_elements(),
          AddBody{args.x.data<float>(), args.y.data<float>()});
}

}  // namespace tandem::cuda
