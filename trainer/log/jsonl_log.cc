#include "trainer/log/jsonl_log.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/base/atomic_file.h"
#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

std::string JsonNumber(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

// Bytes that are not UTF-8 become U+FFFD.
std::string JsonText(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

int64_t StepOf(const std::string& line, const std::string& where) {
  const Json json = ParseJson(line, where);
  JsonFields fields(json, where);
  const int64_t step = fields.RequiredInt("step");
  fields.ThrowIfProblems();
  return step;
}

// What remains of the log; none when all of it does. A log is far smaller than the memory of a
// machine that trains: about 200 bytes a step.
std::optional<std::string> KeptLines(const std::filesystem::path& path, int64_t first_step) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw DeviceError("cannot read " + Quoted(path.string()));
  std::string kept;
  bool dropped = false;
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    const std::string where = Quoted(path.string()) + ", line " + std::to_string(number);
    const bool cut_off = in.eof();  // a line that was written whole has its end
    if (cut_off || StepOf(line, where) >= first_step) {
      dropped = true;
      continue;
    }
    kept += line;
    kept += '\n';
  }
  if (in.bad()) throw DeviceError("cannot read " + Quoted(path.string()));
  if (!dropped) return std::nullopt;
  return kept;
}

std::filesystem::path CutPath(const std::filesystem::path& path, int64_t first_step) {
  CutLogAt(path, first_step);
  return path;
}

}  // namespace

std::string StepLine(const StepReport& report, TrainingLog::Seconds duration) {
  if (report.skipped) return EventLine(report.step, "skipped", *report.skipped);
  const std::string scale =
      report.loss_scale ? R"(,"loss_scale":)" + JsonNumber(*report.loss_scale) : "";
  return fmt::format(
      R"({{"step":{},"loss":{},"balance_loss":{},"gradient_norm":{},"rate":{},"tokens":{},)"
      R"("targets":{},"seconds":{},"tokens_per_second":{}{}}})",
      report.step, JsonNumber(report.loss), JsonNumber(report.balance_loss),
      JsonNumber(report.gradient_norm), JsonNumber(report.rate), report.num_tokens,
      report.num_targets, JsonNumber(duration.count()),
      JsonNumber(TokensPerSecond(report.num_tokens, duration)), scale);
}

std::string EvaluationLine(int64_t step, std::span<const EvaluationValue> values) {
  std::string inner;
  for (const EvaluationValue& value : values) {
    if (!inner.empty()) inner += ',';
    inner += JsonText(value.name) + ":" + JsonNumber(value.value);
  }
  return fmt::format(R"({{"step":{},"evaluation":{{{}}}}})", step, inner);
}

std::string EventLine(int64_t step, std::string_view event, std::string_view reason) {
  return fmt::format(R"({{"step":{},"event":{},"reason":{}}})", step, JsonText(event),
                     JsonText(reason));
}

void CutLogAt(const std::filesystem::path& path, int64_t first_step) {
  if (!std::filesystem::exists(path)) return;
  if (const auto kept = KeptLines(path, first_step)) WriteFileAtomically(path, *kept);
}

JsonlLog::JsonlLog(const std::filesystem::path& path, int64_t first_step)
    : file_(CutPath(path, first_step), AppendFile::Existing::kContinue) {}

void JsonlLog::LogStep(const StepReport& report, Seconds duration) {
  file_.Append(StepLine(report, duration) + "\n");
}

void JsonlLog::LogEvaluation(int64_t step, std::span<const EvaluationValue> values) {
  file_.Append(EvaluationLine(step, values) + "\n");
}

void JsonlLog::LogEvent(int64_t step, std::string_view event, std::string_view reason) {
  file_.Append(EventLine(step, event, reason) + "\n");
}

}  // namespace tandem
