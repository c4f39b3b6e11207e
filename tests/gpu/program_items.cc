// Parts whose items are runs of whole programs.

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "loadtest/ladder/server_process.h"
#include "loadtest/report/load_result.h"
#include "tests/gpu/check_files.h"
#include "tests/gpu/check_json.h"
#include "tests/gpu/command_run.h"
#include "tests/gpu/model_directory.h"
#include "tests/gpu/parts.h"

namespace tandem {
namespace {

using nlohmann::json;

// The models that are served: one made here, and the one that was given.
std::vector<std::pair<std::string, std::filesystem::path>> ServedModels(
    const CheckOptions& options) {
  std::vector<std::pair<std::string, std::filesystem::path>> models = {{"26M, random weights", ""}};
  if (!options.model.empty()) models.emplace_back(options.model.string(), options.model);
  return models;
}

std::filesystem::path DirectoryOf(const std::filesystem::path& model, const CheckOptions& options) {
  return model.empty() ? ModelDirectory(options.folder, options.tiny) : model;
}

// Greedy, in fp32, as `tandem generate` prints it.
CommandEnd Generate(const std::filesystem::path& model, const std::string& device, bool tiny) {
  return RunToEnd(ThisProgram(),
                  {"generate", "--model", model.string(), "--device", device, "--dtype", "float32",
                   "--kv-cache-memory", "256MiB", "--prompt", "Once upon a time", "--temperature",
                   "0", "--max-tokens", tiny ? "4" : "64", "--ignore-eos", "--no-stats"},
                  tiny ? 300 : 60);
}

Finding CheckProgramText(const std::filesystem::path& model, const CheckOptions& options) {
  const CommandEnd want = Generate(model, "cpu", options.tiny);
  if (!want.succeeded) return Failed("on the CPU: " + want.Describe());
  const CommandEnd got = Generate(model, options.device, options.tiny);
  if (!got.succeeded) return Failed(got.Describe());
  if (got.text != want.text) return Failed("says '" + got.text + "', the CPU '" + want.text + "'");
  return Passed(got.text.substr(0, 200));
}

BenchRow LatencyRow(const std::string& name, double milliseconds, double must) {
  return {.group = "serving",
          .name = name,
          .value = milliseconds,
          .unit = "ms",
          .must = must,
          .lower_is_better = true};
}

struct Load {
  double rate = 100;
  std::string duration = "20s";
  std::string warm_up = "4s";
};

// The scenario that a chat service is sized by (configs/load/short_chat.yaml).
Finding CheckLatencies(const std::string& model_name, const std::string& url, const Load& load,
                       const CheckOptions& options, const RowSink& on_row) {
  const std::filesystem::path workload = WriteCheckFile("short_chat.yaml", options.folder);
  const std::filesystem::path file = options.folder / "load.json";
  const CommandEnd end = RunToEnd(
      ThisProgram(),
      {"loadtest", "run", workload.string(), "--url", url, "--rate", std::to_string(load.rate),
       "--duration", load.duration, "--warm-up", load.warm_up, "--json", file.string()},
      120);
  if (!end.succeeded) return Failed(end.Describe());
  const LoadResult result = ReadResult(file);
  const json total = result.outcome.total.ToJson();
  const json& e2e = total.at("latency_ms").at("e2e");
  const std::string what =
      model_name + ", " + std::to_string(static_cast<int>(load.rate)) + " requests/s: ";
  on_row(LatencyRow(what + "mean end to end", e2e.at("mean"), 320));
  on_row(LatencyRow(what + "p95 end to end", e2e.at("p95"), 480));
  on_row(LatencyRow(what + "p99 end to end", e2e.at("p99"), 650));
  on_row({.group = "serving",
          .name = what + "output",
          .value = result.outcome.PerSecond(result.outcome.total.num_output_tokens()),
          .unit = "tok/s"});
  const int64_t errors = total.at("errors");
  if (errors > 0) return Failed(std::to_string(errors) + " requests failed");
  std::string warnings;
  for (const std::string& warning : Warnings(result)) warnings += warning + ". ";
  return Passed(std::to_string(result.outcome.num_due) + " requests. " + warnings);
}

Finding SearchHighestRate(const std::string& model_name, const std::string& url,
                          const CheckOptions& options, const RowSink& on_row) {
  const std::filesystem::path workload = WriteCheckFile("short_chat.yaml", options.folder);
  const std::filesystem::path file = options.folder / "search.json";
  std::vector<std::string> arguments = {
      "loadtest",  "search", workload.string(), "--url",      url, "--repeats", "1",
      "--warm-up", "0s",     "--json",          file.string()};
  for (const std::string argument :
       options.tiny
           ? std::array{"--slo=p95(e2e)<60s", "--first-rate=8", "--max-rate=8", "--duration=1s"}
           : std::array{"--slo=p95(e2e)<500ms", "--first-rate=100", "--max-rate=3200",
                        "--duration=3s"}) {
    arguments.push_back(argument);
  }
  const CommandEnd end = RunToEnd(ThisProgram(), arguments, 120);
  BenchRow row{.group = "serving",
               .name = model_name + ": highest rate with p95 end to end below 500 ms",
               .unit = "requests/s"};
  if (end.succeeded) {
    row.value = ReadResult(file).offered_rate;
  } else if (end.text.find("holds at no rate") != std::string::npos) {
    row.note = "holds at no rate";
  } else {
    return Failed(end.Describe());
  }
  on_row(row);
  return Passed();
}

Finding CheckServing(const std::string& name, const std::filesystem::path& model,
                     const CheckOptions& options, const RowSink& on_row) {
  boost::asio::io_context io;
  ServerProcess server(
      io, {.program = ThisProgram(),
           .arguments = {"--model=" + DirectoryOf(model, options).string(),
                         "--device=" + options.device, "--dtype=bfloat16",
                         "--max-num-seqs=" + std::string(options.tiny ? "8" : "256"),
                         "--max-num-batched-tokens=" + std::string(options.tiny ? "64" : "1024"),
                         "--kv-cache-memory=" + std::string(options.tiny ? "16MiB" : "4GiB")}});
  server.WaitUntilReady(std::chrono::seconds(60));
  const std::string url = server.url().Text();
  const Load load = options.tiny ? Load{8, "1s", "0s"} : Load{};
  const Finding finding = CheckLatencies(name, url, load, options, on_row);
  if (finding.outcome == CheckOutcome::kFailed) return Failed(finding.detail + server.EndedText());
  const Finding search = SearchHighestRate(name, url, options, on_row);
  if (search.outcome == CheckOutcome::kFailed) return Failed(search.detail + server.EndedText());
  return finding;
}

// One tool over the ops. The sanitizer's exit status says whether it found something.
Finding Sanitize(const std::filesystem::path& sanitizer, const std::string& tool,
                 const std::string& part, const CheckOptions& options) {
  const double seconds = options.seconds / 3;
  const CommandEnd end =
      RunToEnd(sanitizer,
               {"--tool", tool, "--error-exitcode", "9", "--target-processes", "application-only",
                ThisProgram().string(), "part", part, "--tiny", "--device", options.device,
                "--seconds", std::to_string(seconds / 2), "--folder", options.folder.string()},
               seconds);
  // The items' own findings are of no interest: tiny ones were seen before.
  if (end.end == "with status 9") return Failed(end.Describe());
  if (end.text.find("ERROR SUMMARY") == std::string::npos &&
      end.text.find("RACECHECK SUMMARY") == std::string::npos) {
    return Failed("did not get to its summary: " + end.Describe());
  }
  const auto last = end.text.find("SUMMARY");
  return Passed(end.text.substr(last, end.text.find('\n', last) - last));
}

BenchRow RowOfPyTorch(const json& row) {
  return {.group = "PyTorch",
          .name = row.at("name"),
          .value = row.value("value", 0.0),
          .unit = row.value("unit", ""),
          .note = row.value("note", "")};
}

Finding RunPyTorch(const CheckOptions& options, const RowSink& on_row) {
  const auto python = FindOnPath("python3");
  if (!python) return Skipped("there is no python3 on PATH");
  const std::filesystem::path script = WriteCheckFile("against_pytorch.py", options.folder);
  const CommandEnd end = RunToEnd(
      *python, {script.string(), "--seconds", std::to_string(std::max(options.seconds - 15, 5.0))},
      options.seconds);
  if (end.end == "with status 77") return Skipped(end.text);
  if (!end.succeeded) return Failed(end.Describe());
  const size_t begin = end.text.find("\n{\"torch\"");  // after what libraries print
  const json result = json::parse(
      end.text.substr(begin == std::string::npos ? end.text.find('{') : begin), nullptr, false);
  if (!result.is_object()) return Failed("printed no result; " + end.Describe());
  for (const json& row : result.at("rows")) on_row(RowOfPyTorch(row));
  return Passed("torch " + result.at("torch").get<std::string>());
}

}  // namespace

std::vector<CheckItem> ProgramTextItems(const CheckOptions& options) {
  std::vector<CheckItem> items;
  for (const auto& [name, model] : ServedModels(options)) {
    items.push_back({"tandem generate, " + name, [model, options](const RowSink&) {
                       return CheckProgramText(DirectoryOf(model, options), options);
                     }});
  }
  return items;
}

std::vector<CheckItem> ServingItems(const CheckOptions& options) {
  std::vector<CheckItem> items;
  for (const auto& [name, model] : ServedModels(options)) {
    items.push_back({name, [name, model, options](const RowSink& on_row) {
                       return CheckServing(name, model, options, on_row);
                     }});
  }
  return items;
}

std::vector<CheckItem> SanitizerItems(const CheckOptions& options) {
  std::vector<CheckItem> items;
  for (const std::string tool : {"memcheck", "racecheck", "synccheck"}) {
    items.push_back({tool, [tool, options](const RowSink&) {
                       const auto sanitizer = FindOnPath("compute-sanitizer");
                       if (!sanitizer) return Skipped("there is no compute-sanitizer on PATH");
                       return Sanitize(*sanitizer, tool, "ops", options);
                     }});
  }
  return items;
}

std::vector<CheckItem> PyTorchItems(const CheckOptions& options) {
  return {{"PyTorch", [options](const RowSink& on_row) { return RunPyTorch(options, on_row); }}};
}

}  // namespace tandem
