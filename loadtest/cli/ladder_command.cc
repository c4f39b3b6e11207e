#include "loadtest/cli/ladder_command.h"

#include <fmt/format.h>

#include <csignal>
#include <ostream>

#include "engine/base/atomic_file.h"
#include "engine/base/mapped_file.h"
#include "engine/base/printable.h"
#include "engine/base/program_files.h"
#include "kernels/core/error.h"
#include "loadtest/cli/commands.h"
#include "loadtest/cli/load_options.h"
#include "loadtest/cli/run_command.h"
#include "loadtest/ladder/ladder.h"
#include "loadtest/report/utc_text.h"
#include "loadtest/workload/workload_file.h"

namespace tandem {
namespace {

constexpr const char* kSummary =
    "Starts a server for each step of the ladder, from no cache to int8, and measures what the "
    "step buys on this machine and what it costs in quality.";
constexpr const char* kText = "configs/load/ladder.txt";
constexpr size_t kMaxTextBytes = 1 << 20;

std::filesystem::path ServerProgram(const LadderOptions& options) {
  const bool is_given = !options.server.empty();
  std::filesystem::path program = is_given ? options.server : ProgramFolder() / "tandem";
  std::error_code error;
  if (std::filesystem::is_regular_file(program, error)) return program;
  throw ConfigError(
      fmt::format("there is no server program {}; {}", Quoted(program.string()),
                  is_given ? "--server must name the program tandem"
                           : "build it ('./tandem build') or name another with --server PATH"));
}

Workload LadderWorkload(const LadderOptions& options, const Settings& settings) {
  Workload workload = ReadWorkload(WorkloadFile(options.workload));
  if (options.concurrency) workload.num_users = *options.concurrency;
  if (settings.IsSet("duration")) workload.duration = options.duration;
  if (settings.IsSet("warm-up")) workload.warm_up = options.warm_up;
  if (settings.IsSet("seed")) workload.seed = options.seed;
  CheckWorkload(workload);
  CheckLadderWorkload(workload);
  return workload;
}

std::filesystem::path TextFile(const LadderOptions& options) {
  if (!options.text.empty()) return options.text;
  if (auto found = FindProgramFile(ProgramFolder(), kText)) return *found;
  throw ConfigError(fmt::format(
      "{} did not come with this program; give a text to be scored with --text FILE", kText));
}

std::string ReadText(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  if (bytes.size() > kMaxTextBytes) {
    throw FormatError(
        fmt::format("{} has {} bytes, and each step would score them all; the limit "
                    "is {}: give a part of it",
                    Printable(file.string()), bytes.size(), kMaxTextBytes));
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> ServerArguments(const LadderOptions& options) {
  std::vector<std::string> arguments;
  if (!options.model.empty()) arguments.push_back("--model=" + options.model.string());
  if (options.threads > 0) arguments.push_back(fmt::format("--threads={}", options.threads));
  arguments.insert(arguments.end(), options.serve_flags.begin(), options.serve_flags.end());
  return arguments;
}

LadderPlan PlanOf(const LadderOptions& options, const Settings& settings) {
  const std::filesystem::path text_file = TextFile(options);
  LadderPlan plan{.server = ServerProgram(options),
                  .server_arguments = ServerArguments(options),
                  .ready_within = options.ready_within,
                  .workload = LadderWorkload(options, settings),
                  .text = ReadText(text_file),
                  .text_file = options.text.empty() ? kText : text_file.string()};
  TextPieces(plan.text, plan.text.size() + 4, plan.text_file);  // wrong texts before any server
  return plan;
}

LadderResult Measure(const LadderPlan& plan, const CommandLine& line) {
  const std::span<const LadderStep> steps = LadderSteps();
  const bool is_live = IsTerminalStream(line.err);
  const std::string started = UtcNow();
  LadderResult result = MeasureLadder(plan, steps, [&](size_t index) {
    if (!is_live) return;
    line.err << fmt::format("\r\x1b[Kstep {} of {}: {}", index + 1, steps.size(), steps[index].name)
             << std::flush;
  });
  if (is_live) line.err << "\r\x1b[K" << std::flush;
  result.started = started;
  return result;
}

}  // namespace

void AddLadderSettings(Settings& settings, LadderOptions& options) {
  settings.Add("model", &options.model,
               {.help = "model directory; default: the one that 'tandem serve' has",
                .value_name = "DIR",
                .group = "server"});
  settings.Add("threads", &options.threads,
               {.help = "of the server; 0: all processors", .min = 0, .group = "server"});
  settings.Add("server", &options.server,
               {.help = "the program tandem; default: the one beside this program",
                .value_name = "PATH",
                .group = "server"});
  settings.Add("serve-flag", &options.serve_flags,
               {.help = "one more flag of 'tandem serve' in every step, such as "
                        "--serve-flag=--kv-cache-memory=1GiB; may be repeated",
                .value_name = "FLAG",
                .group = "server"});
  settings.Add("ready-within", &options.ready_within,
               {.help = "how long a server may load", .min = 1, .group = "server"});
  settings.AddPositional("workload", &options.workload,
                         {.help = "YAML file, or the name of one of configs/load: a closed loop of "
                                  "random tokens",
                          .value_name = "WORKLOAD",
                          .group = "load"});
  settings.Add("concurrency", &options.concurrency,
               {.help = "requests together in steps with several; default: the workload's",
                .min = 1,
                .max = 1024,
                .group = "load"});
  settings.Add(
      "duration", &options.duration,
      {.help = "of each step, with the warm-up; default: the workload's", .group = "load"});
  settings.Add(
      "warm-up", &options.warm_up,
      {.help = "its first part that is not measured; default: the workload's", .group = "load"});
  settings.Add("seed", &options.seed,
               {.help = "of what is asked; default: the workload's", .group = "load"});
  settings.Add("text", &options.text,
               {.help = "whose bits per byte are the quality; default: one that comes with Tandem",
                .value_name = "FILE",
                .group = "measuring"});
  settings.Add("json", &options.json,
               {.help = "write everything that was measured there",
                .value_name = "FILE",
                .group = "output"});
}

int RunLadder(const CommandLine& line) {
  LadderOptions options;
  Settings settings("tandem-loadtest ladder", kSummary);
  AddLadderSettings(settings, options);
  IgnoreOtherLoadtestCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const LadderPlan plan = PlanOf(options, settings);
  try {
    const LadderResult result = Measure(plan, line);
    line.out << LadderTable(result, StylerFor(line.out));
    if (!options.json.empty()) {
      WriteFileAtomically(options.json, LadderJson(result));
      line.out << fmt::format("{:<10}{}\n", "written", Printable(options.json.string()));
    }
    return result.Succeeded() ? 0 : kExitFailure;
  } catch (const LadderInterrupted& interrupted) {
    line.err << fmt::format("interrupted by {}; there is no table without all steps\n",
                            interrupted.signal == SIGINT ? "Ctrl-C" : "SIGTERM");
    return kExitFailure;
  }
}

}  // namespace tandem
