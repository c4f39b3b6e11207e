#pragma once
// The log that programs read: one JSON object a line, in the order of what happened.
//
//   {"step":7,"loss":2.5,"balance_loss":0,"gradient_norm":1,"rate":0.0003,"tokens":512,
//    "targets":500,"seconds":0.25,"tokens_per_second":2048}      (one line)
//   {"step":7,"evaluation":{"loss":2.75}}
//   {"step":8,"event":"skipped","reason":"..."}                  in place of the step's numbers
//
// A number that is not finite is null, as JSON has none. One thread.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "trainer/log/append_file.h"
#include "trainer/log/training_log.h"

namespace tandem {

// In the directory of a run.
inline constexpr std::string_view kLogFileName = "log.jsonl";

std::string StepLine(const StepReport& report, TrainingLog::Seconds duration);
std::string EvaluationLine(int64_t step, std::span<const EvaluationValue> values);
std::string EventLine(int64_t step, std::string_view event, std::string_view reason);

// Removes from the log what is at or after `first_step`, and a last line that a crash cut off. The
// file changes at once or not at all; one that needs no change, or is not there, stays as it is.
// FormatError when another line is not ours.
void CutLogAt(const std::filesystem::path& path, int64_t first_step);

class JsonlLog final : public TrainingLog {
 public:
  // Continues a log that is there with the step `first_step`: a crash may have logged steps after
  // the checkpoint, which are done again.
  JsonlLog(const std::filesystem::path& path, int64_t first_step);

  void LogStep(const StepReport& report, Seconds duration) override;
  void LogEvaluation(int64_t step, std::span<const EvaluationValue> values) override;
  void LogEvent(int64_t step, std::string_view event, std::string_view reason) override;

 private:
  AppendFile file_;
};

}  // namespace tandem
