#pragma once
// A JSONL log read back, for people who look at runs. It may be that of a run which still writes: a
// last line without its end is left out. Pure functions.

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace tandem {

struct LoggedStep {
  int64_t step = 0;
  // Not a number where the log has null.
  double loss = 0.0;
  double balance_loss = 0.0;
  double gradient_norm = 0.0;
  double rate = 0.0;
  int64_t num_tokens = 0;
  double seconds = 0.0;
  double tokens_per_second = 0.0;
};

struct LoggedValue {
  int64_t step = 0;
  double value = 0.0;
};

struct RunLog {
  std::vector<LoggedStep> steps;
  std::map<std::string, std::vector<LoggedValue>> evaluations;  // by what is evaluated
  int64_t num_skipped = 0;
};

// FormatError, with the line's number, when it is not a log of JsonlLog's; messages call it `name`.
RunLog ParseRunLog(std::istream& in, const std::string& name);
// `path` is a log, or the directory of a run with its kLogFileName. DeviceError when there is none.
RunLog ReadRunLog(const std::filesystem::path& path);

}  // namespace tandem
