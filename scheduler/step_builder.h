#pragma once
// From a committed plan to what the runner gets. Pure; what the batch borrows from the sequences is
// valid until one of them changes, the rest of it as long as it stands.

#include <vector>

#include "engine/runner.h"
#include "scheduler/sequence.h"

namespace tandem {

// Tokens [sequence.computed(), + num_tokens) of its history; pages are there already. With
// `follows`, the one token after its history, which the step before draws.
struct StepEntry {
  Sequence* sequence = nullptr;  // null: it ended while the step was under way
  int64_t num_tokens = 0;
  int32_t follows = -1;  // SequenceStep's
};

void BuildStep(const std::vector<StepEntry>& entries, StepBatch& batch);

// Throws InternalError when a runner's answer does not fit what it was asked. Looks at nothing that
// the batch borrows.
void CheckResult(const StepBatch& batch, const StepResult& result, int64_t vocab_size);

}  // namespace tandem
