#pragma once
// Lets a model in training write: the engine's own runner, on the very weights that the trainer
// publishes, so a sample is what `tandem generate` would write with the model as it is. Used
// between steps, on the trainer's thread; changes nothing of the training.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model_runner.h"
#include "engine/text/tokenizer.h"

namespace tandem {

struct TextSamplerOptions {
  int64_t max_tokens = 64;   // of a sample
  float temperature = 0.0f;  // 0: the likeliest token, always
  uint64_t seed = 0;
  std::vector<TokenId> eos_ids;  // end a sample
};

class TextSampler {
 public:
  // Both outlive this.
  TextSampler(Runner& runner, const Tokenizer& tokenizer, TextSamplerOptions options);

  // What follows the prompt. It is cut at the model's context. ConfigError when the prompt is empty
  // or fills the context.
  std::string Continue(const std::vector<TokenId>& prompt);

 private:
  Runner& runner_;
  const Tokenizer& tokenizer_;
  TextSamplerOptions options_;
};

// A runner for one sequence of max_context tokens, for a TextSampler. The trainer trains
// runner->weights().
std::unique_ptr<ModelRunner> MakeSamplingRunner(const ModelConfig& config, ModelWeights weights,
                                                Device device, int64_t max_context,
                                                int num_threads);

}  // namespace tandem
