#pragma once
// A few steps of training on small batches, whose bits or whose way tests compare.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/model_config.h"
#include "kernels/core/context.h"
#include "trainer/trainer.h"

namespace tandem {

struct TrainingSteps {
  std::vector<double> losses;
  std::vector<double> norms;         // of the gradient
  std::vector<std::string> skipped;  // why, of steps that changed nothing

  friend bool operator==(const TrainingSteps&, const TrainingSteps&) = default;
};

// `weights` are on the CPU; they are trained where the context's device is. Steps alternate between
// two pairs of micro-batches of three sequences, 40 tokens in all (options.max_tokens: at least).
TrainingSteps RunTrainingSteps(Context& context, const ModelConfig& config, ModelWeights weights,
                               const TrainerOptions& options, int num_steps);

struct ServedText {
  int64_t prompt_tokens = 20;
  int64_t new_tokens = 6;
  int64_t chunk = 7;
};

// One arithmetic: serves a text on the device, drawing its end, and has the trainer's forward pass
// evaluate it, both with the same random weights. Empty where it finds the log-probabilities that
// serving recorded, bit for bit; else what differs.
std::string TrainServeDifference(Context& context, const ModelConfig& config, DType dtype,
                                 const ServedText& text);

}  // namespace tandem
