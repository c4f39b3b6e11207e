#include "loadtest/report/load_result.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "engine/base/mapped_file.h"
#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/error.h"
#include "loadtest/run/client_load.h"

namespace tandem {
namespace {

constexpr const char* kFormat = "tandem-loadtest/3";

Json ErrorsJson(const RunOutcome& outcome) {
  Json errors = Json::object();
  for (size_t i = 0; i < kNumOutcomes; ++i) {
    const auto kind = static_cast<Outcome>(i);
    if (!IsError(kind) || outcome.total.count(kind) == 0) continue;
    const auto reason = outcome.reasons.find(kind);
    errors[std::string(Name(kind))] = {
        {"count", outcome.total.count(kind)},
        {"first", reason == outcome.reasons.end() ? "" : Printable(reason->second)}};
  }
  return errors;
}

Json ClientJson(const RunOutcome& outcome) {
  return {{"cpu_share", outcome.client_cpu_share},
          {"peak_cpu_share", outcome.client_peak_cpu_share},
          {"peak_in_flight", outcome.peak_in_flight},
          {"retries", outcome.num_retries}};
}

void ReadClient(JsonFields& fields, RunOutcome& outcome) {
  auto client = fields.Object("client");
  if (!client) return;
  outcome.client_cpu_share = client->RequiredNumber("cpu_share");
  outcome.client_peak_cpu_share = client->RequiredNumber("peak_cpu_share");
  outcome.peak_in_flight = client->RequiredInt("peak_in_flight");
  outcome.num_retries = client->RequiredInt("retries");
}

void ReadErrors(JsonFields& fields, RunOutcome& outcome) {
  auto errors = fields.Object("errors");
  if (!errors) return;
  for (size_t i = 0; i < kNumOutcomes; ++i) {
    const auto kind = static_cast<Outcome>(i);
    if (auto error = errors->Object(Name(kind))) {
      outcome.reasons[kind] = error->String("first").value_or("");
    }
  }
}

const Json& RequiredMember(const Json& json, const char* name, const std::string& where) {
  const auto found = json.find(name);
  if (found == json.end()) throw FormatError(where + ": " + name + " is missing");
  return *found;
}

}  // namespace

std::string TokenSource(const Measures& measures) {
  if (measures.num_with_usage() == 0) return "chunks";
  return measures.num_with_usage() == measures.count(Outcome::kCompleted) ? "usage"
                                                                          : "usage and chunks";
}

std::string WorkersText(const LoadResult& result) {
  return fmt::format("{} of this load, side by side", FormatCount(result.num_workers));
}

std::vector<std::string> Warnings(const LoadResult& result) {
  const RunOutcome& outcome = result.outcome;
  std::vector<std::string> warnings = result.notes;
  if (outcome.client_peak_cpu_share > kBusyClientShare) {
    warnings.push_back(fmt::format(
        "a client used {:.0f} % of a core in its busiest second: latencies may be its own. "
        "Use several clients, or less load",
        100.0 * outcome.client_peak_cpu_share));
  }
  const LatencyHistogram& delay = outcome.total.of(Metric::kSendDelay);
  if (delay.count() > 0 && delay.Quantile(0.99) > 10'000) {
    warnings.push_back(fmt::format(
        "1 % of the requests left more than {:.0f} ms after they were due (too many in flight, or "
        "this client had no time). The latencies count that",
        static_cast<double>(delay.Quantile(0.99)) / 1000.0));
  }
  if (outcome.total.num_errors() > 0 && outcome.total.count(Outcome::kCompleted) > 0) {
    warnings.push_back(
        fmt::format("{} of {} requests failed: the latencies are those of the others",
                    outcome.total.num_errors(), outcome.total.num_requests()));
  }
  const int64_t num_completed = outcome.total.count(Outcome::kCompleted);
  if (num_completed == 0) {
    warnings.emplace_back("no request completed, so there are no latencies of answers");
  } else if (num_completed < 100) {
    warnings.push_back(
        fmt::format("{} completed requests are too few for the upper percentiles", num_completed));
  }
  if (outcome.was_interrupted) warnings.push_back("the run was interrupted");
  return warnings;
}

std::string ResultJson(const LoadResult& result) {
  const RunOutcome& outcome = result.outcome;
  Json classes = Json::array();
  for (const Measures& measures : outcome.classes) classes.push_back(measures.ToJson());
  const Json json = {
      {"format", kFormat},
      {"program", "tandem-loadtest " TANDEM_VERSION},
      {"started", result.started},
      {"server",
       {{"url", result.url}, {"version", result.server.version}, {"model", result.server.model}}},
      {"workload", {{"name", result.workload}, {"described", result.described}}},
      {"warm_up_seconds", result.warm_up_seconds},
      {"offered_rate", result.offered_rate},
      {"goodput_limits", result.goodput},
      {"seed", result.seed},
      {"salt", result.salt},
      {"workers", result.num_workers},
      {"notes", result.notes},
      {"due", outcome.num_due},
      {"window_seconds", outcome.window_seconds},
      {"requests_per_second", outcome.completed_per_second()},
      {"good_per_second", outcome.PerSecond(outcome.total.num_good())},
      {"input_tokens_per_second", outcome.PerSecond(outcome.total.num_input_tokens())},
      {"output_tokens_per_second", outcome.PerSecond(outcome.total.num_output_tokens())},
      {"output_tokens_from", TokenSource(outcome.total)},
      {"errors", ErrorsJson(outcome)},
      {"client", ClientJson(outcome)},
      {"interrupted", outcome.was_interrupted},
      {"warnings", Warnings(result)},
      {"total", outcome.total.ToJson()},
      {"classes", std::move(classes)},
      {"interval_seconds", outcome.interval_seconds},
      {"timeline", ToJson(outcome.timeline)}};
  return json.dump(1) + "\n";
}

LoadResult ReadResult(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  const std::string where = Printable(file.string());
  const Json json = ParseJson({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, where);
  JsonFields fields(json, where);
  if (fields.String("format").value_or("") != kFormat) {
    throw FormatError(where + " is not a result of tandem-loadtest (format " + kFormat +
                      "); make one with: tandem-loadtest run --json FILE");
  }
  LoadResult result{.started = fields.RequiredString("started"),
                    .warm_up_seconds = fields.RequiredNumber("warm_up_seconds"),
                    .offered_rate = fields.RequiredNumber("offered_rate"),
                    .goodput = fields.String("goodput_limits").value_or(""),
                    .seed = fields.RequiredString("seed"),
                    .salt = fields.RequiredString("salt"),
                    .num_workers = fields.RequiredInt("workers", {.min = 1}),
                    .notes = fields.Strings("notes").value_or(std::vector<std::string>())};
  if (auto server = fields.Object("server")) {
    result.url = server->RequiredString("url");
    result.server.version = server->String("version").value_or("");
    result.server.model = server->String("model").value_or("");
  }
  if (auto workload = fields.Object("workload")) {
    result.workload = workload->RequiredString("name");
    result.described = workload->Strings("described").value_or(std::vector<std::string>());
  }
  RunOutcome& outcome = result.outcome;
  outcome.num_due = fields.RequiredInt("due", {.min = 0});
  outcome.window_seconds = fields.RequiredNumber("window_seconds", {.min = 0});
  outcome.interval_seconds = fields.RequiredNumber("interval_seconds", {.min = 1e-3});
  outcome.was_interrupted = fields.Bool("interrupted").value_or(false);
  ReadClient(fields, outcome);
  ReadErrors(fields, outcome);
  fields.ThrowIfProblems();
  outcome.total = Measures::FromJson(RequiredMember(json, "total", where), where + ": total");
  for (const Json& each : RequiredMember(json, "classes", where)) {
    outcome.classes.push_back(Measures::FromJson(each, where + ": classes"));
  }
  outcome.timeline =
      TimelineFromJson(RequiredMember(json, "timeline", where), where + ": timeline");
  return result;
}

}  // namespace tandem
