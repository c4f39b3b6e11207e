#pragma once
// Where the first value that is not finite comes from: looks through what a pass left, in the order
// in which it was computed. For --find-nan, after a step that was skipped. Pure but for reading;
// the trainer's thread.

#include <optional>
#include <string>

#include "trainer/data/train_batch.h"
#include "trainer/model_gradient.h"

namespace tandem {

// "[24, 96]: 5 of 2,304 values are not finite, the first is inf at row 3, column 17"; nothing when
// all are. f32 or bf16; a vector is one row.
std::optional<std::string> DescribeNotFinite(Context& context, ConstTensorView values);

// In the masters; also those that are finite and too large for the dtype that computes.
std::optional<std::string> FindInWeights(Context& context, const ModelConfig& config,
                                         ModelTensors<Tensor>& masters, DType compute);
// In the weights of the batch's targets.
std::optional<std::string> FindInTargets(Context& context, const TrainBatch& batch);
// In the activations of the last Forward, which keeps them for the backward.
std::optional<std::string> FindInForward(Context& context, const ModelConfig& config,
                                         ModelGradient& model);
// In the gradients of a backward that began with finite activations: from the head down.
std::optional<std::string> FindInBackward(Context& context, const ModelConfig& config,
                                          ModelTensors<Tensor>& gradients);

}  // namespace tandem
