#include "loadtest/arrivals/trace.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using std::chrono::nanoseconds;

constexpr double kLatestSeconds = 1e9;
constexpr int64_t kMaxTokens = 1 << 24;

class TraceProcess final : public ArrivalProcess {
 public:
  TraceProcess(const std::vector<TraceEntry>& entries, double speed)
      : entries_(entries), speed_(speed) {}

  std::optional<nanoseconds> Next() override {
    if (next_ == entries_.size()) return std::nullopt;
    const auto at = static_cast<double>(entries_[next_++].at.count());
    return nanoseconds(static_cast<int64_t>(at / speed_));
  }

 private:
  const std::vector<TraceEntry>& entries_;
  const double speed_;
  size_t next_ = 0;
};

TraceEntry ParseEntry(const std::string& line, const std::string& where, double& seconds) {
  const Json json = ParseJson(line, where);
  JsonFields fields(json, where);
  TraceEntry entry;
  seconds = fields.RequiredNumber("timestamp", {.min = -kLatestSeconds, .max = kLatestSeconds});
  entry.prompt = fields.String("prompt");
  entry.num_prompt_tokens = fields.Int("prompt_tokens", {.min = 1, .max = kMaxTokens});
  entry.num_output_tokens = fields.Int("output_tokens", {.min = 1, .max = kMaxTokens});
  fields.ThrowIfProblems();
  return entry;
}

}  // namespace

std::vector<TraceEntry> ReadTrace(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw FormatError("the trace " + Quoted(file.string()) + " cannot be read");
  std::vector<TraceEntry> entries;
  double first = 0.0;
  double last = 0.0;
  int64_t line_number = 0;
  for (std::string line; std::getline(in, line);) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    const std::string where = fmt::format("{}:{}", Printable(file.string()), line_number);
    double seconds = 0.0;
    TraceEntry entry = ParseEntry(line, where, seconds);
    if (entries.empty()) {
      first = seconds;
    } else if (seconds < last) {
      throw FormatError(
          fmt::format("{}: timestamp {} is before the line above ({}); sort the trace by time",
                      where, seconds, last));
    }
    last = seconds;
    entry.at = nanoseconds(static_cast<int64_t>((seconds - first) * 1e9));
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) throw FormatError("the trace " + Quoted(file.string()) + " has no requests");
  return entries;
}

std::unique_ptr<ArrivalProcess> TraceArrivals(const std::vector<TraceEntry>& entries,
                                              double speed) {
  return std::make_unique<TraceProcess>(entries, speed);
}

}  // namespace tandem
