#pragma once
// The device as the scheduler sees it: a thing that computes one step for a ragged batch of
// sequences and draws their tokens. ModelRunner is the real one; tests use a fake. Called by one
// thread.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampling/sampling_params.h"
#include "engine/text/tokenizer.h"
#include "kernels/kv_pages.h"

namespace tandem {

struct RunnerLimits {
  int64_t num_pages = 0;  // pages 0..num_pages-1 belong to the scheduler
  int64_t page_tokens = KvLayout::kPageTokens;
  int64_t max_context = 0;      // tokens of one sequence
  int64_t max_step_tokens = 0;  // over all sequences of one step
  int64_t max_sequences = 0;    // in one step
  int64_t vocab_size = 0;
};

// One sequence's part of a step: compute tokens [first, first + count) of its history. When the
// chunk reaches the end of the history and `sample` is set, the next token is drawn.
struct SequenceStep {
  std::span<const TokenId> history;  // prompt and output so far
  int64_t num_prompt = 0;            // history[0, num_prompt) is the prompt
  int64_t first = 0;                 // tokens before it have their K and V in pages already
  int64_t count = 0;                 // >= 1
  std::span<const PageId> pages;     // cover positions [0, first + count)
  const SamplingParams* sampling = nullptr;
  // Ids that end the sequence besides sampling->stop_token_ids; none under ignore_eos. All of these
  // are banned while fewer than sampling->min_tokens tokens are drawn.
  std::span<const TokenId> eos_ids;
  bool sample = false;  // first + count == history.size()
  // Report log p of history[i + 1] for i in the chunk, i + 1 < num_prompt.
  bool prompt_logprobs = false;
};

struct StepBatch {
  std::vector<SequenceStep> sequences;
};

struct TokenLogprob {
  TokenId id = -1;
  float logprob = 0.0f;
};

// A token and, where asked, the best alternatives by log-probability, descending.
struct ScoredToken {
  TokenLogprob token;
  std::vector<TokenLogprob> top;
};

struct SequenceResult {
  std::optional<ScoredToken> sampled;  // set when `sample` was; id -1: logits were not finite
  std::vector<ScoredToken> prompt;     // one for each reported prompt position
};

struct StepResult {
  std::vector<SequenceResult> sequences;  // parallel to StepBatch::sequences
};

class Runner {
 public:
  virtual ~Runner() = default;
  virtual const RunnerLimits& limits() const = 0;
  // Computes one step. `result` is reused between steps. Throws DeviceError when the device failed;
  // the step then had no effect that matters: its sequences fail, others may go on.
  virtual void Run(const StepBatch& batch, StepResult& result) = 0;
};

}  // namespace tandem
