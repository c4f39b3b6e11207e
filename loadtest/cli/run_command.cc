#include "loadtest/cli/run_command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <iostream>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "engine/base/terminal.h"
#include "loadtest/report/result_page.h"
#include "loadtest/report/result_table.h"

namespace tandem {
namespace {

constexpr const char* kSummary = "Applies a load to a server and measures.";

std::string ProgressText(const RunProgress& progress) {
  std::string text = fmt::format(
      "{:6.1f} s  {} due, {} completed, {} in flight, {} errors, e2e p50 "
      "{:.1f} ms",
      progress.seconds, progress.num_due, progress.num_completed, progress.num_in_flight,
      progress.num_errors, progress.e2e_p50_ms);
  if (progress.num_waiting > 0) text += fmt::format(", {} held back", progress.num_waiting);
  return text;
}

}  // namespace

bool IsTerminalStream(const std::ostream& stream) {
  if (&stream == &std::cerr) return IsTerminal(STDERR_FILENO);
  return &stream == &std::cout && IsTerminal(STDOUT_FILENO);
}

std::string NowInUtc() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

void AddRunSettings(Settings& settings, RunOptions& options) {
  AddLoadSettings(settings, options.load);
  settings.Add("json", &options.json,
               {.help = "write the result there, for compare and report",
                .value_name = "FILE",
                .group = "output"});
  settings.Add("html", &options.html,
               {.help = "write a page with charts there", .value_name = "FILE", .group = "output"});
}

LoadResult Measure(const LoadTask& task, const CommandLine& line) {
  LoadResult result{.started = NowInUtc(),
                    .url = task.settings.url.Text(),
                    .server = task.server,
                    .workload = task.workload.name,
                    .described = Described(task.workload),
                    .warm_up_seconds = std::chrono::duration<double>(task.workload.warm_up).count(),
                    .offered_rate = OfferedRate(task.workload),
                    .goodput = task.options.goodput,
                    .salt = task.settings.salt == 0 ? "fixed" : std::to_string(task.settings.salt)};
  std::function<void(const RunProgress&)> on_progress;
  const bool is_live = IsTerminalStream(line.err);
  if (is_live) {
    on_progress = [&line](const RunProgress& progress) {
      line.err << "\r\x1b[K" << ProgressText(progress) << std::flush;
    };
  }
  LoadRun run(task.workload, task.settings, on_progress);
  result.outcome = run.Execute();
  if (is_live) line.err << "\r\x1b[K" << std::flush;
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
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const Workload workload = WorkloadOf(options.load, settings);
  RunSettings run = RunSettingsOf(options.load);
  const ServerInfo server = ProbeServer(run.url, run.tls_check, run.api_key);
  if (run.model.empty()) run.model = server.model;
  const LoadResult result = Measure(
      {.workload = workload, .settings = run, .server = server, .options = options.load}, line);
  const Styler style(IsTerminalStream(line.out) ? Styler::Colour::kOn : Styler::Colour::kOff);
  line.out << ResultTable(result, style);
  WriteResult(result, options, line);
  return result.outcome.total.count(Outcome::kCompleted) > 0 ? 0 : kExitFailure;
}

}  // namespace tandem
