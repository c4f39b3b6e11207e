#include "loadtest/cli/run_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "engine/base/terminal.h"
#include "loadtest/cli/commands.h"
#include "loadtest/report/progress_line.h"
#include "loadtest/report/result_page.h"
#include "loadtest/report/result_table.h"
#include "loadtest/report/utc_text.h"

namespace tandem {
namespace {

constexpr const char* kSummary = "Applies a load to a server and measures.";

}  // namespace

bool IsTerminalStream(const std::ostream& stream) {
  if (&stream == &std::cerr) return IsTerminal(STDERR_FILENO);
  return &stream == &std::cout && IsTerminal(STDOUT_FILENO);
}

void TellOfLimit(const RunSettings& settings, const CommandLine& line) {
  if (settings.in_flight_note.empty()) return;
  line.err << StylerFor(line.err)(Style::kYellow, "warning: ") << settings.in_flight_note << '\n';
}

int TableColumns() {
  constexpr int kUnbroken = 1 << 20;  // in files, where one looks for lines
  return TerminalColumns(STDOUT_FILENO, kUnbroken);
}

Styler StylerFor(const std::ostream& stream) {
  return Styler(IsTerminalStream(stream) ? Styler::Colour::kOn : Styler::Colour::kOff);
}

void AddRunSettings(Settings& settings, RunOptions& options) {
  AddLoadSettings(settings, options.load);
  AddOutputSettings(settings, options);
}

void AddOutputSettings(Settings& settings, RunOptions& options) {
  settings.Add("json", &options.json,
               {.help = "write the result there, for compare, merge and report",
                .value_name = "FILE",
                .group = "output"});
  settings.Add("html", &options.html,
               {.help = "write a page with charts there", .value_name = "FILE", .group = "output"});
}

LoadResult Measure(const LoadTask& task, const CommandLine& line) {
  LoadResult result{.url = task.settings.url.Text(),
                    .server = task.server,
                    .workload = task.workload.name,
                    .described = Described(task.workload),
                    .warm_up_seconds = std::chrono::duration<double>(task.workload.warm_up).count(),
                    .offered_rate = OfferedRate(task.workload),
                    .goodput = task.options.goodput,
                    .seed = std::to_string(task.workload.seed),
                    .salt = task.settings.salt == 0 ? "fixed" : std::to_string(task.settings.salt)};
  std::function<void(const LoadProgress&)> on_progress;
  const bool is_live = IsTerminalStream(line.err);
  if (is_live) {
    // The last column stays free, as some terminals begin a new line there. The rest of the old
    // line is erased after the new one is there: nothing flickers.
    on_progress = [&](const LoadProgress& progress) {
      const int columns = TerminalColumns(STDERR_FILENO, 80) - 1;
      line.err << "\r" + ProgressLine(progress, task.workload, columns) + "\x1b[K" << std::flush;
    };
  }
  LoadRun run(task.workload, task.settings, on_progress);
  result.started = UtcNow();
  result.outcome = run.Execute();
  if (is_live) line.err << "\r\x1b[K" << std::flush;
  const bool was_at_limit = result.outcome.peak_in_flight >= task.settings.max_in_flight;
  if (was_at_limit && !task.settings.in_flight_note.empty()) {
    result.notes.push_back(task.settings.in_flight_note);
  }
  return result;
}

void WriteResult(const LoadResult& result, const RunOptions& options, const CommandLine& line) {
  if (!options.json.empty()) {
    WriteFileAtomically(options.json, ResultJson(result));
    line.out << fmt::format("{:<18}{}\n", "written", Printable(options.json.string()));
  }
  if (!options.html.empty()) {
    WriteFileAtomically(options.html, ResultPage(result));
    line.out << fmt::format("{:<18}{}\n", "written", Printable(options.html.string()));
  }
}

int RunLoad(const CommandLine& line) {
  RunOptions options;
  Settings settings("tandem-loadtest run", kSummary);
  AddRunSettings(settings, options);
  IgnoreOtherLoadtestCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const Workload workload = WorkloadOf(options.load, settings);
  RunSettings run = RunSettingsOf(options.load);
  const ServerInfo server = ProbeServer(run.url, run.tls_check, run.api_key);
  if (run.model.empty()) run.model = server.model;
  TellOfLimit(run, line);
  const LoadResult result = Measure(
      {.workload = workload, .settings = run, .server = server, .options = options.load}, line);
  line.out << ResultTable(result, StylerFor(line.out), TableColumns());
  WriteResult(result, options, line);
  return result.outcome.total.count(Outcome::kCompleted) > 0 ? 0 : kExitFailure;
}

}  // namespace tandem
