#include "trainer/log/tensorboard_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

bool BelongsInFileName(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// A name that no file has: two starts within one second are two files. TensorBoard reads the files
// of a run in the order of their names.
std::filesystem::path NewEventFile(const TensorboardLogOptions& options) {
  if (options.run_id.empty() || !std::ranges::all_of(options.run_id, BelongsInFileName)) {
    throw ConfigError("the run id " + Quoted(options.run_id) +
                      " is not made of letters, digits, '-', '_' and '.'");
  }
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    throw DeviceError("cannot make the directory " + Quoted(options.directory.string()) + ": " +
                      error.message());
  }
  const auto time = std::chrono::floor<std::chrono::seconds>(options.now().time_since_epoch());
  for (int64_t later = 0;; ++later) {
    const std::string name =
        fmt::format("events.out.tfevents.{:010}.{}", time.count() + later, options.run_id);
    if (!std::filesystem::exists(options.directory / name)) return options.directory / name;
  }
}

}  // namespace

TensorboardLog::TensorboardLog(const TensorboardLogOptions& options)
    : options_(options), file_(NewEventFile(options), AppendFile::Existing::kRefuse) {
  Append(FileVersionEvent(Now()));
  if (options_.first_step > 0) Append(SessionStartEvent(Now(), options_.first_step));
}

void TensorboardLog::LogStep(const StepReport& report, Seconds duration) {
  const Scalar scalars[] = {
      {"train/loss", static_cast<float>(report.loss)},
      {"train/balance_loss", static_cast<float>(report.balance_loss)},
      {"train/gradient_norm", static_cast<float>(report.gradient_norm)},
      {"train/rate", static_cast<float>(report.rate)},
      {"train/tokens_per_second", static_cast<float>(TokensPerSecond(report.num_tokens, duration))},
  };
  Append(ScalarsEvent(Now(), report.step, scalars));
}

void TensorboardLog::LogEvaluation(int64_t step, std::span<const EvaluationValue> values) {
  std::vector<Scalar> scalars;
  for (const EvaluationValue& value : values) {
    scalars.push_back({"evaluation/" + value.name, static_cast<float>(value.value)});
  }
  Append(ScalarsEvent(Now(), step, scalars));
}

void TensorboardLog::Append(std::string_view event) { file_.Append(FramedRecord(event)); }

WallTime TensorboardLog::Now() const {
  // Whole seconds apart: nanoseconds since 1970 are more than a double holds.
  const auto time = options_.now().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return static_cast<double>(seconds.count()) +
         std::chrono::duration<double>(time - seconds).count();
}

}  // namespace tandem
