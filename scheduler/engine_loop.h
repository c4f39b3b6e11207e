#pragma once
// The one thread that owns all scheduling state: drain the inbox, plan, run, deliver. Where the
// runner overlaps, steps that only draw are launched one ahead, until a command comes. Everything
// here may be called from any thread.

#include <functional>
#include <memory>
#include <optional>

#include "engine/runner.h"
#include "scheduler/engine_observer.h"
#include "scheduler/engine_stats.h"
#include "scheduler/outbox.h"
#include "scheduler/request.h"
#include "scheduler/scheduler_config.h"

namespace tandem {

class EngineLoop {
 public:
  // `runner` and the observer outlive the loop. `config` is clamped to the runner's limits; throws
  // ConfigError when nothing could ever run. The thread starts here.
  EngineLoop(Runner& runner, const SchedulerConfig& config,
             EngineObserver* optional_observer = nullptr);
  ~EngineLoop();  // cancels what is left, then stops

  // Accepts or says why not; an accepted request ends with exactly one terminal event in `outbox`.
  std::optional<Rejection> Submit(std::shared_ptr<const Request> request,
                                  std::shared_ptr<Outbox> outbox);
  // Takes effect before the next step is launched, in every phase. Unknown or finished ids are
  // ignored.
  void Cancel(RequestId id, FinishReason reason = FinishReason::kCancelled);
  // Runs `fn` on the engine thread between steps and waits for it; rethrows what it throws. Not to
  // be called on the engine thread.
  void Paused(const std::function<void()>& fn);
  // The same for an `fn` that changes the weights: the prefix cache becomes invalid and running
  // sequences recompute their K and V (tokens already delivered stand).
  void UpdateWeights(const std::function<void()>& fn);
  // No more Submit; returns when all accepted requests have ended, or at the deadline after ending
  // them with kDrained. True when none had to be ended.
  bool Drain(Clock::time_point deadline);
  EngineStats Stats() const;
  // False, for good, once SchedulerConfig::max_step_failures steps in a row have failed, for at
  // least give_up_after, or an invariant of the scheduler broke: every request was then ended and
  // Submit says kUnhealthy.
  bool Healthy() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem
