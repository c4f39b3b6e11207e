#pragma once
// What a run will need in memory, before it takes any: computed from the shapes that are allocated.
// Pure functions; any thread.

#include <cstdint>
#include <string>

#include "engine/config/model_config.h"
#include "kernels/core/dtype.h"
#include "trainer/model_gradient.h"
#include "trainer/optimizer.h"

namespace tandem {

struct MemoryPlanInputs {
  DType dtype = DType::kBf16;  // of the compute weights
  int64_t row_tokens = 0;
  int64_t rows = 0;  // of a micro-batch
  int64_t accumulate = 1;
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  ActivationCheckpoints checkpoint_activations = ActivationCheckpoints::kNone;
  double dropout = 0.0;
  int64_t sample_context = 0;  // tokens; 0: there are no samples
};

// In bytes.
struct MemoryPlan {
  int64_t weights = 0;      // that compute, and their transposes
  int64_t optimizer = 0;    // masters and moments
  int64_t gradients = 0;    // all that a step's sum holds at once
  int64_t activations = 0;  // of a micro-batch, with their gradients, keys and values, and scratch
  int64_t samples = 0;

  int64_t total() const { return weights + optimizer + gradients + activations + samples; }
};

class MemoryPlanner {
 public:
  // `config` outlives this.
  MemoryPlanner(const ModelConfig& config, const MemoryPlanInputs& inputs);

  MemoryPlan Plan() const { return PlanFor(inputs_.rows); }
  // The most rows of a micro-batch that fit; 0: not even one does.
  int64_t LargestRows(int64_t available_bytes) const;

  // "needs 3.1 GiB of 24 GiB (weights 52 MiB, ...), largest --rows 48". Throws ConfigError, naming
  // the largest rows that would, when it does not fit.
  std::string Describe(int64_t available_bytes) const;

 private:
  MemoryPlan PlanFor(int64_t rows) const;
  // What the other way to keep activations would need.
  int64_t ActivationsOtherwise() const;

  const ModelConfig& config_;
  MemoryPlanInputs inputs_;
  MemoryPlan fixed_;         // what does not depend on the rows
  int64_t token_bytes_ = 0;  // of activations, for each token of a micro-batch
  int64_t muon_scratch_ = 0;
};

}  // namespace tandem
