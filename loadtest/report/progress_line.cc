#include "loadtest/report/progress_line.h"

#include <fmt/format.h>

#include <vector>

#include "engine/base/quantity.h"

namespace tandem {
namespace {

std::string TimeText(double seconds, const Workload& workload) {
  const double duration = std::chrono::duration<double>(workload.duration).count();
  if (seconds > duration) return fmt::format("{:6.1f} s, waiting for answers", seconds);
  return fmt::format("{:6.1f} of {:g} s", seconds, duration);
}

}  // namespace

std::string ProgressLine(const LoadProgress& progress, const Workload& workload, int columns) {
  std::vector<std::string> parts = {
      fmt::format("{} done", FormatCount(progress.num_completed)),
      fmt::format("{} in flight", FormatCount(progress.num_in_flight))};
  if (!workload.is_closed_loop()) {
    parts.insert(parts.begin(), fmt::format("{} due", FormatCount(progress.num_due)));
  }
  if (progress.num_waiting > 0) {
    parts.push_back(fmt::format("{} held back", FormatCount(progress.num_waiting)));
  }
  parts.push_back(fmt::format("{} errors", FormatCount(progress.num_errors)));
  if (progress.seconds < std::chrono::duration<double>(workload.warm_up).count()) {
    parts.emplace_back("warming up");
  } else if (progress.e2e_p50_ms > 0.0) {
    parts.push_back(fmt::format("p50 {:.1f} ms", progress.e2e_p50_ms));
  }
  std::string line = TimeText(progress.seconds, workload);
  std::string_view between = "  ";
  for (const std::string& part : parts) {
    if (line.size() + between.size() + part.size() > static_cast<size_t>(columns)) break;
    line += between;
    line += part;
    between = ", ";
  }
  return line;
}

}  // namespace tandem
