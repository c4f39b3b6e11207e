#pragma once
// Decides when a run has gone wrong: repeated steps that are not finite, or losses that stay far
// above the ones before. It judges; the training loop acts. Everything it knows is in its state,
// which a checkpoint keeps, so that a resumed run decides the same. One thread.

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/log/loss_monitor.h"
#include "trainer/trainer.h"

namespace tandem {

struct LossGuardOptions {
  double spike_z = 8.0;        // robust standard deviations that make a spike; 0: none does
  int64_t spike_patience = 3;  // bad steps in a row, of which the last is a spike
  double rate_factor = 0.5;    // on the learning rate, at each rollback
  int64_t max_rollbacks = 3;
};

// Skipped steps in a row that are too many, whatever the options say.
inline constexpr int64_t kMaxSkippedInARow = 3;
// A spike lies so far above the median at least: a loss of nearly 0 has hardly any spread.
inline constexpr double kSmallestSpike = 0.1;

struct LossGuardState {
  LossMonitorState monitor;
  int64_t num_bad = 0;      // steps in a row that were skipped or spikes
  int64_t num_skipped = 0;  // steps in a row that were skipped
  int64_t num_rollbacks = 0;
  double rate_factor = 1.0;  // what the schedule's rate is multiplied with by now
};

struct GuardVerdict {
  bool roll_back = false;
  int64_t first_bad_step = 0;       // where it is to be rolled back: before this step
  std::string reason;               // what went wrong
  std::vector<std::string> advice;  // what a person should know; each once
};

class LossGuard {
 public:
  explicit LossGuard(const LossGuardOptions& options, LossGuardState state = {});

  GuardVerdict Observe(const StepReport& report);

  // After a verdict to roll back: counts it and lowers the rate. Throws ConfigError, saying what to
  // try, when there were too many. The losses seen go on as those of `saved`, if there is one.
  void RollBack(const GuardVerdict& verdict, const LossGuardState* optional_saved);

  // In a row of bad steps: what a checkpoint would keep may be broken.
  bool doubts() const { return state_.num_bad > 0; }
  const LossGuardState& state() const { return state_; }

 private:
  bool IsSpike(double loss, const LossFindings& findings) const;
  void Advise(const LossFindings& findings, GuardVerdict& verdict);

  LossGuardOptions options_;
  LossGuardState state_;
  LossMonitor monitor_;
  bool told_unstable_ = false;
  bool told_not_falling_ = false;
};

}  // namespace tandem
