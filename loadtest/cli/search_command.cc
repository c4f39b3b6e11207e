#include "loadtest/cli/search_command.h"

#include <fmt/format.h>

#include <ostream>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "loadtest/cli/commands.h"
#include "loadtest/cli/run_command.h"
#include "loadtest/measure/objective.h"
#include "loadtest/run/client_load.h"

namespace tandem {
namespace {

// What a run at one rate found, in a line.
std::string TryText(double rate, const std::vector<Objective>& objectives,
                    const RunOutcome& outcome) {
  std::string text = fmt::format("{:>9.2f}/s  {:<6}", rate,
                                 HoldAll(objectives, outcome.total) ? "holds" : "fails");
  for (const Objective& objective : objectives) {
    text += fmt::format("  {}: {}", objective.text, objective.ValueText(outcome.total));
  }
  text += fmt::format("  {:.2f}/s completed", outcome.completed_per_second());
  if (outcome.total.num_errors() > 0)
    text += fmt::format(", {} errors", outcome.total.num_errors());
  if (outcome.client_peak_cpu_share > kBusyClientShare) {
    text += fmt::format(", this client at {:.0f} % of a core: not to be trusted",
                        100.0 * outcome.client_peak_cpu_share);
  }
  return text + "\n";
}

std::string Found(const RateSearchResult& found) {
  const auto tries = [&found](double rate) {
    const RateTries& all = found.tries.at(rate);
    return fmt::format("held in {} of {} tries", all.num_held, all.num_tries);
  };
  if (found.rate == 0.0) {
    return fmt::format("it holds at no rate that was tried, down to {:.3g}/s\n",
                       found.tries.begin()->first);
  }
  std::string text =
      fmt::format("highest rate      {:.2f} requests/s ({})\n", found.rate, tries(found.rate));
  if (found.next_rate == 0.0) return text + "next higher       not tried: --max-rate\n";
  return text + fmt::format("next higher       {:.2f} requests/s ({})\n", found.next_rate,
                            tries(found.next_rate));
}

}  // namespace

void AddSearchSettings(Settings& settings, SearchOptions& options) {
  AddLoadSettings(settings, options.load);
  settings.Add("slo", &options.slo,
               {.help = "what must hold: p95(e2e)<500ms, mean(tpot)<=20ms, errors<1%, good>=99%",
                .value_name = "LEVEL",
                .required = true,
                .group = "search"});
  settings.Add("first-rate", &options.limits.first_rate,
               {.help = "to begin with", .max = 1e6, .above = 0, .group = "search"});
  settings.Add("max-rate", &options.limits.max_rate,
               {.help = "not to go beyond", .max = 1e6, .above = 0, .group = "search"});
  settings.Add("precision", &options.limits.precision,
               {.help = "distance of the last two rates, as a share of them",
                .min = 0.001,
                .max = 1,
                .group = "search"});
  settings.Add("repeats", &options.limits.repeats,
               {.help = "tries of the rate that is found and of the next higher; odd ones decide",
                .min = 1,
                .max = 101,
                .group = "search"});
  settings.Add("json", &options.json,
               {.help = "write the result at the found rate there, all tries together",
                .value_name = "FILE",
                .group = "output"});
}

int SearchLoad(const CommandLine& line) {
  SearchOptions options;
  Settings settings("tandem-loadtest search",
                    "Finds the highest rate at which a service level holds.");
  AddSearchSettings(settings, options);
  IgnoreOtherLoadtestCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const std::vector<Objective> objectives = ParseObjectives(options.slo);
  for (const char* name : {"rate", "end-rate", "users", "trace"}) {
    if (settings.IsSet(name)) {
      throw ConfigError(
          fmt::format("--{} does not go with search, which chooses the rate; give "
                      "--first-rate and --max-rate",
                      name));
    }
  }
  if (options.limits.first_rate > options.limits.max_rate) {
    throw ConfigError(fmt::format("--first-rate {} is above --max-rate {}",
                                  options.limits.first_rate, options.limits.max_rate));
  }
  Workload workload = WorkloadOf(options.load, settings);
  if (workload.is_closed_loop() || workload.trace) {
    throw ConfigError("search needs a workload with an open loop at a rate; " +
                      Quoted(workload.name) + " is another");
  }
  workload.end_rate.reset();
  RunSettings run = RunSettingsOf(options.load);
  const ServerInfo server = ProbeServer(run.url, run.tls_check, run.api_key);
  if (run.model.empty()) run.model = server.model;
  TellOfLimit(run, line);

  std::map<double, LoadResult> results;
  const uint64_t seed = workload.seed;
  const uint64_t salt = run.salt;
  uint64_t num_tries = 0;
  bool was_interrupted = false;
  const RateSearchResult found = SearchRate(options.limits, [&](double rate) {
    if (was_interrupted) return false;
    workload.rate = rate;
    workload.seed = seed + num_tries;  // other arrivals each time
    if (salt != 0) run.salt = salt + num_tries;
    ++num_tries;
    LoadResult result = Measure(
        {.workload = workload, .settings = run, .server = server, .options = options.load}, line);
    was_interrupted = result.outcome.was_interrupted;
    line.out << TryText(rate, objectives, result.outcome) << std::flush;
    const bool holds = HoldAll(objectives, result.outcome.total);
    const auto [at, is_new] = results.try_emplace(rate, result);
    if (!is_new) AddRun(result.outcome, at->second.outcome);
    return holds;
  });
  if (was_interrupted) {
    line.err << "interrupted: nothing is found\n";
    return kExitFailure;
  }
  line.out << Found(found);
  if (found.rate == 0.0) return kExitFailure;
  if (!options.json.empty()) {
    WriteFileAtomically(options.json, ResultJson(results.at(found.rate)));
    line.out << fmt::format("{:<18}{}\n", "written", Printable(options.json.string()));
  }
  return 0;
}

}  // namespace tandem
