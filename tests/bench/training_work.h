#pragma once
// What measurements of training share: batches of random tokens, first weights, and what a token
// costs. Pure but for DrawMasters; any thread.

#include <cstdint>

#include "engine/config/model_config.h"
#include "kernels/core/context.h"
#include "trainer/trainer.h"

namespace tandem {

TrainBatch RandomBatch(int64_t num_rows, int64_t row_tokens, int64_t vocab, uint64_t seed);

// Masters as MiniMind-3 begins, wherever they are, and compute weights made of them.
void DrawMasters(Context& context, const ModelConfig& config, Trainer& trainer);

// What a token takes of a training step: 6 for each parameter that multiplies it (of experts those
// that are chosen), and the causal half of attention, forward and twice as much backward.
double TrainingFlops(const ModelConfig& config, int64_t row_tokens);

// What a token takes of a prompt of row_tokens, without the head.
double PromptFlops(const ModelConfig& config, int64_t row_tokens);

}  // namespace tandem
