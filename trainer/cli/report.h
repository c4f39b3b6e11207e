#pragma once
// The knobs of `tandem-train report`, and the command.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"
#include "trainer/log/run_log.h"

namespace tandem {

struct ReportOptions {
  std::vector<std::string> runs;
  std::filesystem::path out = "report.html";
  int64_t smooth = 1;
  bool log_loss = false;
};

void AddReportSettings(Settings& settings, ReportOptions& options);

struct ReportedRun {
  std::string name;  // from outside
  RunLog log;
};

// One HTML page without script and without anything from elsewhere.
std::string RenderReport(std::span<const ReportedRun> runs, const ReportOptions& options);

int WriteReport(const CommandLine& line);

}  // namespace tandem
