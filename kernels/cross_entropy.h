#pragma once
// Cross-entropy of an output head: -log p(target) of each row, and its gradients, over blocks of
// rows, so that [rows, vocab] never exists whole. The log-probability is the sampler's
// (LogSoftmaxStatistics, kernels/sampling.h): the same bits as it recorded.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/matmul.h"

namespace tandem {

// Rows of logits that exist at once; part of dhead's order of sums.
inline constexpr int64_t kCrossEntropyRows = 512;

struct LinearCrossEntropyArgs {
  ConstTensorView x;         // [rows, hidden], head.input_dtype(): what the head reads
  const PackedMatrix& head;  // [vocab, hidden]; f32, f16 or bf16
  ConstTensorView targets;   // [rows], i32, each in [0, vocab); not checked beside the CPU
  TensorView losses;         // [rows], f32; = -log p(target); NaN where the logits are not finite,
                             // or the target is unchecked and bad
};

void LinearCrossEntropy(Context& context, const LinearCrossEntropyArgs& args);

// The same losses, and the gradients of the sum over rows of weight * loss:
//   dlogits = (softmax - [id = target]) * weight, rounded to x's dtype
//   dx = dlogits head, dhead += dlogits^T x (MatmulWeightGradient of one block after the other)
struct LinearCrossEntropyBackwardArgs {
  LinearCrossEntropyArgs forward;
  const PackedMatrix& head_columns;  // [hidden, vocab]: head transposed, head's dtype
  ConstTensorView weights;           // [rows], f32
  TensorView dx;                     // [rows, hidden], f32; =
  TensorView dhead;                  // [vocab, hidden], f32; +=
};

void LinearCrossEntropyBackward(Context& context, const LinearCrossEntropyBackwardArgs& args);

}  // namespace tandem
