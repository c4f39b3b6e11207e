#include "trainer/log/run_log.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "trainer/log/jsonl_log.h"

namespace tandem {
namespace {

// Of one step: so that no log's sum overflows.
constexpr int64_t kMaxTokens = int64_t{1} << 36;

double NumberOrNan(JsonFields& fields, std::string_view name) {
  return fields.Number(name).value_or(std::numeric_limits<double>::quiet_NaN());
}

LoggedStep StepFrom(int64_t step, JsonFields& fields) {
  return {.step = step,
          .loss = NumberOrNan(fields, "loss"),
          .balance_loss = NumberOrNan(fields, "balance_loss"),
          .gradient_norm = NumberOrNan(fields, "gradient_norm"),
          .rate = NumberOrNan(fields, "rate"),
          .num_tokens = fields.Int("tokens", {.min = 0, .max = kMaxTokens}).value_or(0),
          .seconds = fields.Number("seconds", {.min = 0.0}).value_or(0.0),
          .tokens_per_second = NumberOrNan(fields, "tokens_per_second")};
}

void AddLine(const Json& line, const std::string& where, RunLog& log) {
  JsonFields fields(line, where);
  const int64_t step = fields.RequiredInt("step");
  if (auto evaluation = fields.Object("evaluation")) {
    for (const auto& [name, value] : line["evaluation"].items()) {
      log.evaluations[name].push_back({step, NumberOrNan(*evaluation, name)});
    }
  } else if (const auto event = fields.String("event")) {
    log.num_skipped += *event == "skipped" ? 1 : 0;
  } else {
    log.steps.push_back(StepFrom(step, fields));
  }
  fields.ThrowIfProblems();
}

}  // namespace

RunLog ParseRunLog(std::istream& in, const std::string& name) {
  RunLog log;
  std::string line;
  for (int64_t number = 1; std::getline(in, line) && !in.eof(); ++number) {
    const std::string where = name + ", line " + std::to_string(number);
    AddLine(ParseJson(line, where), where, log);
  }
  if (in.bad()) throw DeviceError("cannot read the log " + name);
  return log;
}

RunLog ReadRunLog(const std::filesystem::path& path) {
  const std::filesystem::path file =
      std::filesystem::is_directory(path) ? path / kLogFileName : path;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw DeviceError("cannot read the log " + Quoted(file.string()));
  return ParseRunLog(in, Quoted(file.string()));
}

}  // namespace tandem
