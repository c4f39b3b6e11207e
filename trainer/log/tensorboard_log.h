#pragma once
// The log that TensorBoard shows: scalars train/... and evaluation/... in an event file of the
// run's directory. Each start of the run makes a file of its own there; TensorBoard shows them as
// one run. Numbers that are not finite are written as they are. One thread.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "trainer/log/append_file.h"
#include "trainer/log/tensorboard_event.h"
#include "trainer/log/training_log.h"

namespace tandem {

struct TensorboardLogOptions {
  std::filesystem::path directory;  // made when it is not there
  std::string run_id;               // the same after a resume; letters, digits, '-', '_' and '.'
  // Steps from here on replace those of the run's earlier files.
  int64_t first_step = 0;
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

class TensorboardLog final : public TrainingLog {
 public:
  explicit TensorboardLog(const TensorboardLogOptions& options);

  void LogStep(const StepReport& report, Seconds duration) override;
  void LogEvaluation(int64_t step, std::span<const EvaluationValue> values) override;
  // Events are no numbers: TensorBoard is not told.
  void LogEvent(int64_t, std::string_view, std::string_view) override {}

  // events.out.tfevents.<seconds since 1970>.<run id>
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  void Append(std::string_view event);
  WallTime Now() const;

  TensorboardLogOptions options_;
  AppendFile file_;
};

}  // namespace tandem
