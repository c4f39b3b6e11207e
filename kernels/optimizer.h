#pragma once
// What the optimiser does to one tensor, and the norm that gradients are clipped by. Element-wise,
// or in one fixed order, so a step has the same bits on any number of threads and on every
// instruction set.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

// AdamW (Loshchilov and Hutter, 2019), in PyTorch's order of operations, with g = gradient * scale:
//   w -= rate decay w;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g g
//   w -= rate / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
struct AdamWArgs {
  TensorView weights;        // any shape, f32: the master copy
  ConstTensorView gradient;  // weights' shape, f32
  TensorView m;              // weights' shape, f32: first moment
  TensorView v;              // weights' shape, f32: second moment
  float scale = 1.0f;        // of the gradient: clipping, and 1 / loss scale
  double rate = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double decay = 0.0;
  int64_t step = 1;  // from 1
};

void AdamW(Context& context, const AdamWArgs& args);

inline constexpr int64_t kSquaresBlock = 4096;

// The sum of the squares of all elements, f32: over blocks of kSquaresBlock elements in 16 f32
// lanes ascending and a fixed tree (lane i with i + 8, then + 4, + 2, + 1), then the blocks in
// double, ascending. Not finite when an element is not, or when a square is beyond f32. The same
// bits on every device; the device's work is done when it returns.
double SumOfSquares(Context& context, ConstTensorView x);

// As a device's backend has it.
struct SumOfSquaresArgs {
  ConstTensorView x;  // any shape, f32
  double* result;     // on the host
};

// x = float(double(x) * factor).
struct ScaleArgs {
  TensorView x;  // any shape, f32
  double factor = 1.0;
};

void Scale(Context& context, const ScaleArgs& args);

// y = y_factor * y + x_factor * x; both products and the sum are rounded.
struct CombineArgs {
  ConstTensorView x;  // any shape, f32
  float x_factor = 1.0f;
  TensorView y;  // x's shape, f32
  float y_factor = 1.0f;
};

void Combine(Context& context, const CombineArgs& args);

// Nesterov's momentum as Muon has it, with g = gradient * scale:
//   m += (1 - momentum) (g - m),  update = g + momentum (m - g)
struct NesterovArgs {
  ConstTensorView gradient;  // any shape, f32
  float scale = 1.0f;
  double momentum = 0.95;
  TensorView m;       // gradient's shape, f32
  TensorView update;  // gradient's shape, f32; =
};

void Nesterov(Context& context, const NesterovArgs& args);

}  // namespace tandem
