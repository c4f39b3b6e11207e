#pragma once
// Streams that decode greedily in lock step, straight on a runner, for measurements. Pages of the
// runner's cache are theirs from the first on. One thread.

#include <cstdint>
#include <vector>

#include "engine/runner.h"

namespace tandem {

class Streams {
 public:
  // `runner` outlives this. Prompts differ from stream to stream.
  Streams(Runner& runner, int64_t count, int64_t prompt_tokens, int64_t total_tokens);

  // Computes every prompt, as many tokens a step as the runner takes, and draws each stream's first
  // token.
  void Prefill();
  void Decode(int64_t num_steps);

 private:
  SequenceStep Step(size_t stream, int64_t first, int64_t count) const;
  void Run();

  Runner& runner_;
  SamplingParams sampling_;
  std::vector<std::vector<TokenId>> histories_;
  std::vector<std::vector<PageId>> pages_;
  StepBatch batch_;
  std::vector<size_t> streams_;  // of batch_.sequences
  StepResult result_;
};

}  // namespace tandem
