#include "tests/bench/device_bench.h"

#include <cmath>
#include <cstdio>

#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "tests/bench/bench_rows.h"

namespace tandem {
namespace {

std::string Described(const BenchRow& row, const std::optional<double>& goal) {
  if (!goal) return "";
  char text[32];
  std::snprintf(text, sizeof(text), row.goal_is_share ? "%.0f %%" : "%.4g",
                row.goal_is_share ? 100 * *goal : *goal);
  return text;
}

void PrintRow(const BenchRow& row) {
  char value[48] = "", share[48] = "";
  if (row.value > 0) std::snprintf(value, sizeof(value), "%.4g %s", row.value, row.unit.c_str());
  if (row.share > 0) {
    std::snprintf(share, sizeof(share), "%.0f %% of %s", 100 * row.share, row.bound.c_str());
  }
  const std::optional<bool> must = row.Reaches(row.must);
  std::printf("%-16s %-52s %16s %18s %8s %8s %-4s %s\n", row.group.c_str(), row.name.c_str(), value,
              share, Described(row, row.must).c_str(), Described(row, row.aim).c_str(),
              must ? (*must ? "yes" : "no") : "", row.note.c_str());
  std::fflush(stdout);
}

}  // namespace

std::optional<bool> BenchRow::Reaches(const std::optional<double>& goal) const {
  const double reached = goal_is_share ? share : value;
  if (!goal || reached <= 0) return std::nullopt;
  return lower_is_better ? reached <= *goal : reached >= *goal;
}

bool BenchRows::IsWanted(const BenchRow& row) const {
  return (row.group + ": " + row.name).find(options_.filter) != std::string::npos;
}

bool BenchRows::TimeIsOver() const {
  return std::chrono::duration<double>(Clock::now() - start_).count() >= options_.seconds;
}

void BenchRows::Measure(BenchRow row, const std::function<void(BenchRow&)>& measure) {
  if (!IsWanted(row)) return;
  const BenchRow unmeasured = row;
  std::string problem;
  if (TimeIsOver()) {
    problem = "time is over";
  } else {
    try {
      measure(row);
    } catch (const std::exception& error) {  // of one row: the others have contexts of their own
      problem = error.what();
    }
    const bool is_number = std::isfinite(row.value) && std::isfinite(row.share) && row.value > 0;
    if (problem.empty() && !is_number && row.note.empty()) problem = "the clock saw nothing";
  }
  if (!problem.empty()) {
    row = unmeasured;
    row.note = "not measured: " + problem;
  }
  rows_.push_back(row);
  if (options_.on_row) options_.on_row(row);
}

std::vector<BenchRow> RunDeviceBench(const DeviceBenchOptions& options) {
  CheckDevice(options.device);
  BenchRows rows(options);
  DeviceCeilings ceilings(rows);
  MeasureCeilingRows(rows, ceilings);
  MeasureModelRows(rows, ceilings);
  MeasureTrainingRows(rows, ceilings);
  MeasureOpRows(rows, ceilings);
  MeasureInvariancePrice(rows);
  return rows.Take();
}

void PrintDeviceBench(const DeviceBenchOptions& options) {
  CheckDevice(options.device);
  const DeviceReport report = ReportOf(options.device);
  std::printf("%s (%s), %.0f of %.0f GiB free\n", report.name.c_str(), report.architecture.c_str(),
              static_cast<double>(report.free_bytes) * 0x1p-30,
              static_cast<double>(report.memory_bytes) * 0x1p-30);
  std::printf("%-16s %-52s %16s %18s %8s %8s %-4s %s\n", "group", "row", "median", "share", "must",
              "aim", "must", "note");
  DeviceBenchOptions printing = options;
  printing.on_row = PrintRow;
  if (RunDeviceBench(printing).empty()) {
    throw ConfigError("no row matches '" + options.filter + "'");
  }
}

}  // namespace tandem
