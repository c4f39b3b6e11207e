#pragma once
// What a run is told before its first step, and before it takes memory.

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "engine/config/model_config.h"
#include "engine/text/tokenizer.h"
#include "trainer/data/data_report.h"
#include "trainer/training_run.h"

namespace tandem {

struct PreflightInputs {
  const TrainingRunOptions& options;
  const ModelConfig& config;
  const Tokenizer& tokenizer;
  ShardBatchSource& source;
  const std::vector<DocumentKey>& documents;  // of the source
  const std::vector<DocumentKey>& held_out;
  int64_t num_steps = 0;
  int64_t warmup_steps = 0;
};

// Says on `out` what memory the run needs (trainer/memory_plan.h), and what looks wrong
// (trainer/run_advice.h). Throws ConfigError when it cannot fit.
void LookBeforeStart(const PreflightInputs& inputs, std::ostream& out);

}  // namespace tandem
