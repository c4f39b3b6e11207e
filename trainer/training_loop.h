#pragma once
// The steps of a run, and what happens between them: checkpoints, evaluation, samples, going back
// when the guard says so, and stopping in good order. Borrows everything; one thread.

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "trainer/checkpoint.h"
#include "trainer/log/run_journal.h"
#include "trainer/loop_state.h"

namespace tandem {

struct TrainingLoopOptions {
  std::filesystem::path output;  // its checkpoints
  int64_t num_steps = 0;         // of the whole run
  int64_t accumulate = 1;        // micro-batches of a step
  int64_t save_every = 0;        // steps; 0: only where the run is stopped
  int64_t keep = 2;
  LossGuardOptions guard;
  bool find_not_finite = false;  // a skipped step ends the run, with where it comes from
  // No step begins after this; none: as long as it takes.
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

// Something that is done every so many steps, not after the last one.
struct PeriodicAction {
  int64_t every = 0;                     // 0: never
  std::function<void(int64_t)> perform;  // gets the number of the step before it
};

struct TrainingLoopParts {
  Context& context;
  Trainer& trainer;
  BatchSource& batches;  // at `position`
  const RunInputs& inputs;
  RunJournal& journal;
  std::function<std::optional<int>()> stop_signal;  // that somebody sent; null: nobody can
  std::vector<PeriodicAction> actions;
};

enum class LoopEnd : uint8_t { kDone, kDeadline, kSignal };

class TrainingLoop {
 public:
  TrainingLoop(TrainingLoopParts parts, const TrainingLoopOptions& options, LoopState state);

  // All steps that are left, or fewer: then the run was saved, and says how it goes on.
  // Throws ConfigError when the guard gives up, or something is not finite that is looked for.
  LoopEnd Run();

 private:
  std::optional<LoopEnd> FindReasonToStop() const;
  void Step();
  [[noreturn]] void FailWithNotFinite(const StepReport& report);
  void Guard(const StepReport& report);
  void RollBack(const GuardVerdict& verdict);
  bool IsTimeToSave() const;
  void Save();
  void SaveToStop(LoopEnd end);
  std::filesystem::path SaveAs(const LoopState& state);

  TrainingLoopParts parts_;
  TrainingLoopOptions options_;
  LoopState state_;
  LossGuard guard_;
  std::vector<TrainBatch> micro_batches_;  // of the current step
  DataPosition next_position_;             // of the data after it; set by Step
  // The checkpoint of a stop that the run went on from: it goes once there is a regular one.
  std::optional<int64_t> checkpoint_of_stop_;
};

}  // namespace tandem
