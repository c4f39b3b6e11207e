#pragma once
// Fault injection: a runner some of whose steps fail as on a broken device, to see what the server,
// its clients and its alerts do then (`tandem serve --fail-steps`). Without the option there is
// none. On the engine thread, as the runner behind it.

#include <cstdint>
#include <string_view>

#include "engine/runner.h"

namespace tandem {

// Which steps fail, of the ones from 1 on.
struct FailingSteps {
  int64_t first = 1;
  int64_t last = 0;   // included
  int64_t every = 1;  // of those, the ones that this divides

  bool Has(int64_t step) const { return step >= first && step <= last && step % every == 0; }
};

// "FROM:TO", or "every:N". ConfigError.
FailingSteps ParseFailingSteps(std::string_view text);

class FailingRunner : public Runner {
 public:
  FailingRunner(Runner& runner, const FailingSteps& steps) : runner_(runner), steps_(steps) {}

  const RunnerLimits& limits() const override { return runner_.limits(); }
  void Run(const StepBatch& batch, StepResult& result) override;
  bool overlaps() const override { return runner_.overlaps(); }
  void Launch(const StepBatch& batch) override;
  void Await(StepResult& result) override;

 private:
  void CountStep();

  Runner& runner_;
  const FailingSteps steps_;
  int64_t num_steps_ = 0;
  int num_under_way_ = 0;
};

}  // namespace tandem
