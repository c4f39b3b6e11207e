#pragma once
// Log-probabilities that a model gives whole sequences: the server's own runner, asked for those of
// a prompt, so an evaluation has the bits that serving has. Owns the runner; one thread at a time.

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/model_runner.h"

namespace tandem {

struct ScorerOptions {
  DType dtype = DType::kBf16;
  Device device = kCpuDevice;
  int64_t max_step_tokens = 2048;  // of one forward pass; longer sequences take several
  int64_t threads = 0;             // 0: one a processor
  std::string rope_scaling;        // ApplyRopeScaling's option; empty: as the config says
};

class SequenceScorer {
 public:
  // FormatError, ConfigError or DeviceError, as ModelRunner::Load.
  SequenceScorer(const std::filesystem::path& directory, const ScorerOptions& options);

  // For each sequence (2 to max_context tokens, ids below vocab_size) the natural logarithms of
  // p(token | those before it), of every token but the first. Throws FormatError when the model's
  // logits are not finite.
  std::vector<std::vector<float>> Score(std::span<const std::vector<TokenId>> sequences);

  const ModelConfig& config() const { return runner_->config(); }
  int64_t max_context() const { return runner_->limits().max_context; }
  // How many tokens one Score is worth: with fewer, threads wait for each other more often.
  int64_t batch_tokens() const { return 4 * runner_->limits().max_step_tokens; }

 private:
  // One sequence of the group whose pages are in the pool.
  struct Cursor {
    size_t sequence = 0;
    size_t first_page = 0;
    int64_t done = 0;  // tokens that are computed
  };

  // As many sequences from `begin` on as the pool has room for.
  std::vector<Cursor> TakeGroup(std::span<const std::vector<TokenId>> sequences, size_t begin);
  void RunStep(std::span<const std::vector<TokenId>> sequences, std::span<Cursor> group,
               std::vector<std::vector<float>>& logprobs);

  std::string where_;  // the model, in messages
  SamplingParams sampling_;
  std::unique_ptr<ModelRunner> runner_;
  std::vector<PageId> pages_;  // 0, 1, ...
  StepBatch batch_;
  StepResult result_;
};

}  // namespace tandem
