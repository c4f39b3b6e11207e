#include "trainer/training_loop.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

TrainingLoop::TrainingLoop(TrainingLoopParts parts, const TrainingLoopOptions& options,
                           LoopState state)
    : parts_(std::move(parts)),
      options_(options),
      state_(std::move(state)),
      guard_(options.guard, state_.guard) {
  if (state_.is_of_a_stop) checkpoint_of_stop_ = parts_.trainer.num_steps();
  parts_.trainer.SetRateFactor(state_.guard.rate_factor);
}

LoopEnd TrainingLoop::Run() {
  while (parts_.trainer.num_steps() < options_.num_steps) {
    Step();
    const auto end = FindReasonToStop();
    if (!end || parts_.trainer.num_steps() >= options_.num_steps) continue;
    parts_.journal.FinishProgress();
    SaveToStop(*end);
    return *end;
  }
  parts_.journal.FinishProgress();
  return LoopEnd::kDone;
}

std::optional<LoopEnd> TrainingLoop::FindReasonToStop() const {
  if (parts_.stop_signal && parts_.stop_signal()) return LoopEnd::kSignal;
  if (options_.deadline && Clock::now() >= *options_.deadline) return LoopEnd::kDeadline;
  return std::nullopt;
}

void TrainingLoop::Step() {
  const auto start = Clock::now();
  micro_batches_.clear();
  for (int64_t i = 0; i < options_.accumulate; ++i) {
    PositionedBatch made = parts_.batches.Next();
    micro_batches_.push_back(std::move(made.batch));
    next_position_ = made.next;
  }
  const StepReport report = parts_.trainer.Step(parts_.context, micro_batches_);
  parts_.journal.Step(report, std::chrono::duration<double>(Clock::now() - start));
  if (report.skipped && !report.scale_was_too_large && options_.find_not_finite)
    FailWithNotFinite(report);
  Guard(report);
}

void TrainingLoop::FailWithNotFinite(const StepReport& report) {
  const std::string where = parts_.trainer.FindNotFinite(parts_.context, micro_batches_);
  parts_.journal.Event(report.step, "not_finite", where);
  throw ConfigError(fmt::format("step {} is not finite (--find-nan): {}", report.step + 1, where));
}

void TrainingLoop::Guard(const StepReport& report) {
  const GuardVerdict verdict = guard_.Observe(report);
  state_.guard = guard_.state();
  for (const std::string& advice : verdict.advice) {
    parts_.journal.Tell("advice", advice);
    parts_.journal.Event(report.step, "advice", advice);
  }
  if (verdict.roll_back) {
    RollBack(verdict);
    return;
  }
  const int64_t num_steps = parts_.trainer.num_steps();
  if (IsTimeToSave()) Save();
  for (const PeriodicAction& action : parts_.actions) {
    if (action.every > 0 && num_steps % action.every == 0 && num_steps < options_.num_steps) {
      action.perform(report.step);
    }
  }
}

// Not in a row of bad steps: it could be what is to be rolled back.
bool TrainingLoop::IsTimeToSave() const {
  return options_.save_every > 0 && parts_.trainer.num_steps() % options_.save_every == 0 &&
         !guard_.doubts();
}

void TrainingLoop::RollBack(const GuardVerdict& verdict) {
  Trainer& trainer = parts_.trainer;
  // The loss of the step after it shows that its weights are good.
  const FoundCheckpoint found = FindNewestCheckpoint(
      options_.output, {.before = verdict.first_bad_step, .except = checkpoint_of_stop_});
  std::optional<LoopState> saved;
  if (found.newest) {
    saved = ParseLoopState(found.newest->state.carried, found.newest->path.string());
  }
  guard_.RollBack(verdict, saved ? &saved->guard : nullptr);
  state_.guard = guard_.state();
  std::string what = fmt::format("step {}: {}; the rate is {} of the schedule's from here on",
                                 verdict.first_bad_step + 1, verdict.reason,
                                 fmt::to_string(state_.guard.rate_factor));
  trainer.SetRateFactor(state_.guard.rate_factor);
  if (found.newest) {
    RestoreCheckpoint(parts_.context, *found.newest, parts_.inputs, trainer);
    RemoveCheckpointsAfter(options_.output, trainer.num_steps());
    if (checkpoint_of_stop_ > trainer.num_steps()) checkpoint_of_stop_.reset();
    what += fmt::format(", and the data goes on at micro-batch {} of epoch {}",
                        next_position_.micro_batch, next_position_.epoch);
    parts_.journal.Rewind(trainer.num_steps());
    parts_.journal.Tell("rolled back", fmt::format("to step {}: {}", trainer.num_steps(), what));
  } else {
    what += "; there is no checkpoint before it to go back to (--save-every makes some)";
    parts_.journal.Tell("not rolled back", what);
  }
  parts_.journal.Event(std::max<int64_t>(trainer.num_steps() - 1, 0), "rollback", what);
}

std::filesystem::path TrainingLoop::SaveAs(const LoopState& state) {
  const int64_t step = parts_.trainer.num_steps();
  const std::filesystem::path path =
      SaveCheckpoint(parts_.context, options_.output, parts_.trainer, parts_.inputs,
                     {.position = next_position_, .carried = FormatLoopState(state)});
  if (checkpoint_of_stop_ && checkpoint_of_stop_ != step) {
    RemoveCheckpoint(options_.output, *checkpoint_of_stop_);
  }
  checkpoint_of_stop_.reset();
  parts_.journal.Event(step - 1, "checkpoint", path.filename().string());
  return path;
}

void TrainingLoop::Save() {
  state_.is_of_a_stop = false;
  SaveAs(state_);
  KeepCheckpoints(options_.output, options_.keep);
}

// Beside the regular ones, which stay: going on is to find what a run that never stopped has.
void TrainingLoop::SaveToStop(LoopEnd end) {
  const int64_t step = parts_.trainer.num_steps();
  LoopState state = state_;
  state.is_of_a_stop = !IsTimeToSave();
  const std::filesystem::path path = SaveAs(state);
  const std::string why = end == LoopEnd::kDeadline ? "its time was over" : "a signal came";
  parts_.journal.Event(step - 1, "stopped", why);
  parts_.journal.Tell("stopped",
                      fmt::format("after step {} of {}, as {}", step, options_.num_steps, why));
  parts_.journal.Tell("saved", Printable(path.string()));
  parts_.journal.Tell("to go on", "the same command with --resume");
}

}  // namespace tandem
