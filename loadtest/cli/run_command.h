#pragma once
// `tandem-loadtest run`.

#include <filesystem>
#include <iosfwd>
#include <string>

#include "engine/base/command_line.h"
#include "engine/base/terminal.h"
#include "loadtest/cli/load_options.h"
#include "loadtest/report/load_result.h"

namespace tandem {

struct RunOptions {
  LoadOptions load;
  std::filesystem::path json;
  std::filesystem::path html;
};

void AddRunSettings(Settings& settings, RunOptions& options);
void AddOutputSettings(Settings& settings, RunOptions& options);  // json and html alone

// Of the terminal that results go to.
int TableColumns();
// Coloured where it is a terminal.
Styler StylerFor(const std::ostream& stream);

// On line.err, before a run whose --max-in-flight cannot be had.
void TellOfLimit(const RunSettings& settings, const CommandLine& line);

// Whether somebody looks at it: the process's own output or errors on a terminal.
bool IsTerminalStream(const std::ostream& stream);

// What is measured, and of what.
struct LoadTask {
  const Workload& workload;
  const RunSettings& settings;
  const ServerInfo& server;
  const LoadOptions& options;
};
// One run, with a line about how it goes where line.err is a terminal.
LoadResult Measure(const LoadTask& task, const CommandLine& line);

// Results go to a file and are told of.
void WriteResult(const LoadResult& result, const RunOptions& options, const CommandLine& line);

int RunLoad(const CommandLine& line);

}  // namespace tandem
