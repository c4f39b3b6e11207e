#include "scheduler/step_builder.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tandem {

void BuildStep(const std::vector<StepEntry>& entries, StepBatch& batch) {
  batch.sequences.clear();
  for (const StepEntry& entry : entries) {
    const Sequence& sequence = *entry.sequence;
    const SamplingParams& sampling = sequence.request().sampling;
    const bool is_pending = entry.follows >= 0;
    const int64_t first = is_pending ? sequence.total() : sequence.computed();
    const int64_t total = sequence.total() + (is_pending ? 1 : 0);
    SequenceStep step{.history = sequence.history(),
                      .num_prompt = sequence.num_prompt(),
                      .first = first,
                      .count = entry.num_tokens,
                      .pages = sequence.pages(),
                      .sampling = &sampling,
                      .sample = first + entry.num_tokens == total && sampling.max_tokens > 0,
                      .prompt_logprobs = !is_pending && sequence.owes_prompt_logprobs(),
                      .follows = entry.follows};
    if (!sampling.ignore_eos) step.eos_ids = sequence.request().eos_ids;
    batch.sequences.push_back(step);
  }
}

void CheckResult(const StepBatch& batch, const StepResult& result, int64_t vocab_size) {
  CHECK(result.sequences.size() == batch.sequences.size(), result.sequences.size(),
        batch.sequences.size());
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    const SequenceStep& step = batch.sequences[i];
    const SequenceResult& got = result.sequences[i];
    CHECK(got.sampled.has_value() == step.sample, i);
    CHECK(!got.sampled || got.sampled->token.id < vocab_size, i, got.sampled->token.id);
    const int64_t num_scores =
        step.prompt_logprobs ? std::min(step.count, step.num_prompt - 1 - step.first) : 0;
    CHECK(static_cast<int64_t>(got.prompt.size()) == std::max(int64_t{0}, num_scores), i,
          got.prompt.size(), num_scores);
  }
}

}  // namespace tandem
