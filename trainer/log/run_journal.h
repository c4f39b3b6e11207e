#pragma once
// All that a run tells, in one place: lines and progress for a person, and its logs for programs.
// Owned by the run; called between steps, on one thread.

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/log/progress_line.h"
#include "trainer/log/training_log.h"

namespace tandem {

struct RunJournalOptions {
  std::filesystem::path output;       // its kLogFileName
  std::filesystem::path tensorboard;  // directory for event files; empty: none
  std::string run_id;
  ProgressOptions progress;  // first_step too, where the logs are continued
};

class RunJournal {
 public:
  // `out` outlives this.
  RunJournal(const RunJournalOptions& options, std::ostream& out);

  // A skipped step is also told with its reason.
  void Step(const StepReport& report, TrainingLog::Seconds duration);
  // These two are logged only.
  void Evaluation(int64_t step, std::span<const EvaluationValue> values);
  void Event(int64_t step, std::string_view event, std::string_view reason);
  // A line for a person: "saved             out/checkpoints/step-00000010".
  void Tell(std::string_view what, std::string_view text);

  // The run goes on with the step `first_step` again: the logs forget what was at or after it.
  void Rewind(int64_t first_step);
  // Leaves the last state of the progress on a line. Once, after the last step.
  void FinishProgress();

 private:
  void OpenLogs();

  RunJournalOptions options_;
  std::ostream& out_;
  std::vector<std::unique_ptr<TrainingLog>> logs_;
  std::optional<ProgressLine> progress_;
};

}  // namespace tandem
