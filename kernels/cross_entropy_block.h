#pragma once
// What LinearCrossEntropy does to a block of logits that exists, apart from the products: ops of
// their own, so that one composition of ops (cross_entropy.cc) serves every device. A target
// outside [0, vocab) makes a loss of NaN, and nothing is read or written for it.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct CrossEntropyLossArgs {
  ConstTensorView logits;      // [rows, vocab], f32
  ConstTensorView statistics;  // [rows, 2], f32 (LogSoftmaxStatistics)
  ConstTensorView targets;     // [rows], i32
  TensorView losses;           // [rows], f32; = -log p(target); NaN where the logits are not finite
};

void CrossEntropyLoss(Context& context, const CrossEntropyLossArgs& args);

// gradient = (softmax - [id = target]) * weight
struct CrossEntropyGradientArgs {
  ConstTensorView logits;      // [rows, vocab], f32
  ConstTensorView statistics;  // [rows, 2], f32
  ConstTensorView targets;     // [rows], i32
  ConstTensorView weights;     // [rows], f32
  TensorView gradient;         // [rows, vocab], f32 (may be logits) or bf16; =
};

void CrossEntropyGradient(Context& context, const CrossEntropyGradientArgs& args);

}  // namespace tandem
