#include "loadtest/cli/load_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>

#include "engine/base/printable.h"
#include "engine/base/program_files.h"
#include "kernels/core/error.h"
#include "loadtest/workload/workload_file.h"

namespace tandem {
namespace {

void AddServerSettings(Settings& settings, LoadOptions& options) {
  settings.Add("url", &options.url, {.help = "the server under test", .group = "server"});
  settings.Add("api-key", &options.api_key,
               {.help = "sent as a bearer token", .secret = true, .group = "server"});
  settings.Add(
      "model", &options.model,
      {.help = "asked for by name; default: the first that the server lists", .group = "server"});
  settings.Add("tls-verify", &options.tls_verify,
               {.help = "check the server's certificate", .group = "server"});
}

void AddArrivalSettings(Settings& settings, LoadOptions& options) {
  settings.Add("rate", &options.rate,
               {.help = "open loop: requests a second", .max = 1e6, .above = 0, .group = "load"});
  settings.Add("end-rate", &options.end_rate,
               {.help = "open loop: reached at the end, in a straight line from --rate",
                .min = 0,
                .max = 1e6,
                .group = "load"});
  settings.AddChoice("spacing", &options.spacing,
                     {{"poisson", Spacing::kPoisson},
                      {"constant", Spacing::kConstant},
                      {"gamma", Spacing::kGamma}},
                     {.help = "open loop: of arrivals", .group = "load"});
  settings.Add("burstiness", &options.burstiness,
               {.help = "of gamma: below 1 clusters, above 1 evens out",
                .max = 1e6,
                .above = 0,
                .group = "load"});
  settings.Add("trace", &options.trace,
               {.help = "open loop: JSONL with timestamps, instead of a rate",
                .value_name = "FILE",
                .group = "load"});
  settings.Add("users", &options.users,
               {.help = "closed loop: users that wait for their answers",
                .min = 1,
                .max = 1e6,
                .group = "load"});
  settings.Add("think-time", &options.think_time,
               {.help = "closed loop: between an answer and the next request", .group = "load"});
}

uint64_t SaltOf(const std::string& text) {
  if (text == "fixed") return 0;
  if (text == "random") {
    std::random_device device;
    return (uint64_t{device()} << 32 | device()) | 1;
  }
  uint64_t salt = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), salt);
  if (error == std::errc() && end == text.data() + text.size()) return salt;
  throw ConfigError("--salt " + Quoted(text) + " is not random, fixed or a whole number");
}

void ApplyLoop(const LoadOptions& options, const Settings& settings, Workload& workload) {
  const bool asks_open = options.rate || options.trace;
  if (options.users && (asks_open || options.end_rate)) {
    throw ConfigError("--users is a closed loop, --rate and --trace an open one: give one of them");
  }
  if (options.rate && options.trace) throw ConfigError("give --rate or --trace, not both");
  if (asks_open) {
    workload.num_users = 0;
    workload.trace.reset();
    workload.end_rate.reset();
  }
  if (options.rate) workload.rate = *options.rate;
  if (options.trace) {
    workload.trace = {.entries = ReadTrace(*options.trace)};
    const auto last = workload.trace->entries.back().at;
    workload.duration =
        std::chrono::duration_cast<std::chrono::milliseconds>(last) + std::chrono::milliseconds(1);
  }
  if (options.users) workload.num_users = *options.users;
  const bool is_rate = !workload.is_closed_loop() && !workload.trace;
  if (options.end_rate) workload.end_rate = options.end_rate;
  if (settings.IsSet("spacing")) workload.spacing = options.spacing;
  if (options.burstiness) workload.burstiness = *options.burstiness;
  if (options.burstiness && workload.spacing != Spacing::kGamma) {
    throw ConfigError("--burstiness goes with --spacing gamma");
  }
  if (!is_rate && (options.end_rate || settings.IsSet("spacing"))) {
    throw ConfigError("--end-rate and --spacing go with an open loop at a rate: give --rate");
  }
  if (settings.IsSet("think-time")) {
    if (!workload.is_closed_loop()) throw ConfigError("--think-time goes with --users");
    workload.think_time = options.think_time;
  }
}

constexpr const char* kMoreFiles =
    "raise the limit of open files (ulimit -n), or use several workers and 'tandem-loadtest merge'";

void LimitInFlight(int64_t asked, RunSettings& settings) {
  const int64_t possible = RaiseConnectionLimit();
  settings.max_in_flight = std::min(asked, possible);
  if (asked <= possible) return;
  settings.in_flight_note = fmt::format(
      "at most {} requests are in flight, not --max-in-flight {}: this program may have "
      "no more connections open. To go beyond, {}",
      possible, asked, kMoreFiles);
}

void CheckUsers(const Workload& workload) {
  const int64_t possible = RaiseConnectionLimit();
  if (workload.num_users <= possible) return;
  throw ConfigError(
      fmt::format("{} users need as many connections, and this program may have {} open: {}",
                  workload.num_users, possible, kMoreFiles));
}

}  // namespace

std::filesystem::path WorkloadFile(const std::string& name) {
  const bool is_name = name.find('/') == name.npos && !std::filesystem::path(name).has_extension();
  if (!is_name) return name;
  const std::string file = "configs/load/" + name + ".yaml";
  if (auto found = FindProgramFile(ProgramFolder(), file)) return *found;
  throw ConfigError("there is no workload " + Quoted(name) + " (" + file +
                    "); give a file, or one of configs/load without its suffix");
}

void AddLoadSettings(Settings& settings, LoadOptions& options) {
  AddServerSettings(settings, options);
  settings.AddPositional("workload", &options.workload,
                         {.help = "YAML file, or the name of one of configs/load",
                          .value_name = "WORKLOAD",
                          .group = "load"});
  AddArrivalSettings(settings, options);
  settings.Add("duration", &options.duration,
               {.help = "how long requests are sent; default: the workload's", .group = "load"});
  settings.Add(
      "warm-up", &options.warm_up,
      {.help = "its first part that is not measured; default: the workload's", .group = "load"});
  settings.AddChoice(
      "api", &options.api,
      {{"completions", Api::kCompletions}, {"chat", Api::kChat}, {"generate", Api::kGenerate}},
      {.help = "default: the workload's", .group = "load"});
  settings.Add("stream", &options.stream,
               {.help = "ask for streams; default: the workload's", .group = "load"});
  settings.Add(
      "seed", &options.seed,
      {.help = "of arrivals, lengths and choices; default: the workload's", .group = "load"});
  settings.Add("salt", &options.salt,
               {.help = "of what prompts say. random: a server cannot have them in its cache from "
                        "the last run; fixed: the same each time; or a number",
                .group = "load"});
  settings.Add("timeout", &options.timeout,
               {.help = "of a request", .min = 1, .group = "measuring"});
  settings.Add("drain", &options.drain,
               {.help = "wait for answers after the last request was due", .group = "measuring"});
  settings.Add(
      "max-in-flight", &options.max_in_flight,
      {.help = "requests beyond it wait, and their latencies count from when they were due",
       .min = 1,
       .max = 1 << 20,
       .group = "measuring"});
  settings.Add("goodput", &options.goodput,
               {.help = "what a good request keeps: ttft:200ms,tpot:50ms,e2e:1s",
                .value_name = "LIMITS",
                .group = "measuring"});
}

Workload WorkloadOf(const LoadOptions& options, const Settings& settings) {
  Workload workload = ReadWorkload(WorkloadFile(options.workload));
  ApplyLoop(options, settings, workload);
  if (settings.IsSet("api")) {
    workload.api = options.api;
    // Words are what every API takes.
    for (RequestClass& request : workload.classes) {
      if (workload.api != Api::kCompletions) request.prompt.unit = PromptUnit::kWords;
    }
    if (workload.api == Api::kGenerate) workload.stream = false;
  }
  if (settings.IsSet("stream")) workload.stream = options.stream;
  if (settings.IsSet("duration")) {
    workload.duration = options.duration;
    if (!settings.IsSet("warm-up")) {
      workload.warm_up = std::min(workload.warm_up, workload.duration / 5);
    }
  }
  if (settings.IsSet("warm-up")) workload.warm_up = options.warm_up;
  if (settings.IsSet("seed")) workload.seed = options.seed;
  CheckWorkload(workload);
  CheckUsers(workload);
  return workload;
}

RunSettings RunSettingsOf(const LoadOptions& options) {
  if (std::ranges::any_of(options.api_key, [](char c) { return c < ' ' || c == '\x7f'; })) {
    throw ConfigError("--api-key has a control character, which no HTTP header can carry");
  }
  RunSettings settings{.url = ParseServerUrl(options.url),
                       .tls_check = options.tls_verify ? TlsCheck::kVerify : TlsCheck::kSkip,
                       .api_key = options.api_key,
                       .model = options.model,
                       .salt = SaltOf(options.salt),
                       .timeout = options.timeout,
                       .drain = options.drain};
  LimitInFlight(options.max_in_flight, settings);
  if (!options.goodput.empty()) settings.good_limits = ParseGoodLimits(options.goodput);
  return settings;
}

}  // namespace tandem
