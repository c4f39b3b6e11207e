#pragma once
// From a committed plan to what the runner gets. Pure; the batch borrows from the sequences and is
// valid until one of them changes.

#include <vector>

#include "engine/runner.h"
#include "scheduler/sequence.h"

namespace tandem {

// Tokens [sequence.computed(), + num_tokens) of its history; pages are there already.
struct StepEntry {
  Sequence* sequence = nullptr;
  int64_t num_tokens = 0;
};

void BuildStep(const std::vector<StepEntry>& entries, StepBatch& batch);

// Throws InternalError when a runner's answer does not fit what it was asked.
void CheckResult(const StepBatch& batch, const StepResult& result, int64_t vocab_size);

}  // namespace tandem
