#include "trainer/log/run_journal.h"

#include <fmt/format.h>

#include <ostream>

#include "engine/base/printable.h"
#include "trainer/log/jsonl_log.h"
#include "trainer/log/tensorboard_log.h"

namespace tandem {

using Clock = std::chrono::steady_clock;

RunJournal::RunJournal(const RunJournalOptions& options, std::ostream& out)
    : options_(options), out_(out) {
  OpenLogs();
}

void RunJournal::OpenLogs() {
  const int64_t first_step = options_.progress.first_step;
  logs_.clear();
  logs_.push_back(std::make_unique<JsonlLog>(options_.output / kLogFileName, first_step));
  if (!options_.tensorboard.empty()) {
    logs_.push_back(std::make_unique<TensorboardLog>(TensorboardLogOptions{
        .directory = options_.tensorboard, .run_id = options_.run_id, .first_step = first_step}));
  }
  progress_.emplace(options_.progress, out_, Clock::now());
}

void RunJournal::Step(const StepReport& report, TrainingLog::Seconds duration) {
  for (const auto& log : logs_) log->LogStep(report, duration);
  progress_->Update(report, Clock::now());
  if (report.skipped) Tell("skipped", fmt::format("step {}: {}", report.step + 1, *report.skipped));
}

void RunJournal::Evaluation(int64_t step, std::span<const EvaluationValue> values) {
  for (const auto& log : logs_) log->LogEvaluation(step, values);
}

void RunJournal::Event(int64_t step, std::string_view event, std::string_view reason) {
  for (const auto& log : logs_) log->LogEvent(step, event, reason);
}

void RunJournal::Tell(std::string_view what, std::string_view text) {
  progress_->Clear();
  out_ << fmt::format("{:<17} {}\n", what, text) << std::flush;
}

void RunJournal::Rewind(int64_t first_step) {
  progress_->Clear();
  options_.progress.first_step = first_step;
  OpenLogs();
}

void RunJournal::FinishProgress() { progress_->Finish(); }

}  // namespace tandem
