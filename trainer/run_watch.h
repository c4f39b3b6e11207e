#pragma once
// What a run shows of its model while it trains: the loss of held-out data, and samples. Looks at
// the weights between steps and changes nothing. Owned by the run; one thread.

#include <memory>
#include <optional>
#include <vector>

#include "trainer/held_out.h"
#include "trainer/run_data.h"
#include "trainer/text_sampler.h"
#include "trainer/training_loop.h"

namespace tandem {

struct RunWatchParts {
  Context& context;
  Trainer& trainer;
  RunJournal& journal;
};

class RunWatch {
 public:
  // All of it outlives this.
  RunWatch(RunWatchParts parts, const TrainingRunOptions& options);
  RunWatch(const RunWatch&) = delete;  // its actions refer to it
  RunWatch& operator=(const RunWatch&) = delete;

  void EvaluateOn(std::unique_ptr<BatchSource> held_out);
  // `runner` has the weights that are trained, and outlives this. Throws ConfigError for a prompt
  // that cannot be written.
  void SampleWith(ModelRunner& runner, const RunData& data);

  // For the training loop.
  std::vector<PeriodicAction> Actions();
  // All held-out data and all samples once more. Returns the loss, where there is one.
  std::optional<double> LookAtTheEnd();

 private:
  double Evaluate(int64_t step, int64_t max_tokens);
  void Sample(int64_t step);

  RunWatchParts parts_;
  const TrainingRunOptions& options_;
  std::optional<HeldOut> held_out_;
  std::optional<TextSampler> sampler_;
  std::vector<std::vector<TokenId>> prompts_;  // of options_.samples
};

}  // namespace tandem
