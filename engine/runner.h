#pragma once
// The device as the scheduler sees it: a thing that computes one step for a ragged batch of
// sequences and draws their tokens. ModelRunner is the real one; tests use a fake. Called by one
// thread.
//
// A runner that overlaps takes a step on while the one before it is still computed. Since nobody
// knows yet what that one draws, a sequence of the second step may end in a token that is pending.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampling/sampling_params.h"
#include "engine/text/tokenizer.h"
#include "kernels/core/check.h"
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
  std::span<const TokenId> history;  // prompt and output so far, but for a token that is pending
  int64_t num_prompt = 0;            // history[0, num_prompt) is the prompt
  int64_t first = 0;                 // tokens before it have their K and V in pages already
  int64_t count = 0;                 // >= 1
  std::span<const PageId> pages;     // cover positions [0, first + count)
  const SamplingParams* sampling = nullptr;
  // Ids that end the sequence besides sampling->stop_token_ids; none under ignore_eos. All of these
  // are banned while fewer than sampling->min_tokens tokens are drawn.
  std::span<const TokenId> eos_ids;
  bool sample = false;  // first + count == total()
  // Report log p of history[i + 1] for i in the chunk, i + 1 < num_prompt.
  bool prompt_logprobs = false;
  // >= 0: the last token is pending. It is the one that this sequence of the batch launched just
  // before, which is not awaited yet, draws; 0 where that draws -1 (what is computed then means
  // nothing, and is not to be used). Positions, min_tokens and random numbers count it. Not where
  // the sampling has penalties, which look at the tokens themselves, and in no batch that reports
  // prompt log-probabilities.
  int32_t follows = -1;

  // Tokens of the history, the pending one included.
  int64_t total() const { return static_cast<int64_t>(history.size()) + (follows >= 0 ? 1 : 0); }
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
  // the step then had no effect that matters: its sequences fail, others may go on. Launch and
  // Await in one, where there are these; not while a step is under way.
  virtual void Run(const StepBatch& batch, StepResult& result) = 0;

  // Whether Launch and Await are there.
  virtual bool overlaps() const { return false; }
  // Begins a step, after all that were launched before; at most two are under way. What the batch
  // borrows is read before this returns.
  virtual void Launch(const StepBatch& /*batch*/) { CHECK(overlaps()); }
  // Waits for the step that was launched first of those under way. When it or Launch throws (as
  // Run), none is under way any more, and what they had computed is lost.
  virtual void Await(StepResult& /*result*/) { CHECK(overlaps()); }
};

}  // namespace tandem
