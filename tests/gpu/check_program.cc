#include "tests/gpu/check_program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string_view>

#include "api/cli/command_settings.h"
#include "kernels/core/devices.h"
#include "kernels/core/error.h"
#include "kernels/core/thread_pool.h"
#include "loadtest/cli/commands.h"
#include "tests/gpu/check_report.h"
#include "tests/gpu/command_run.h"
#include "tests/gpu/commit.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

// Of tandem, or of tandem-loadtest after the word "loadtest".
std::optional<int> RunOtherProgram(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "loadtest" && argc > 2) {
    for (const LoadtestCommand& command : LoadtestCommands()) {
      if (command.name != argv[2]) continue;
      return RunCommand(std::string(command.name), command.run,
                        {.argc = argc - 2, .argv = argv + 2, .out = std::cout, .err = std::cerr});
    }
  }
  for (const Command& command : Commands()) {
    if (command.name != name || command.run == nullptr) continue;
    return RunCommand(command.name, command.run,
                      {.argc = argc - 1, .argv = argv + 1, .out = std::cout, .err = std::cerr});
  }
  return std::nullopt;
}

void AddOptions(CLI::App& app, CheckOptions& options) {
  app.add_option("--device", options.device, "auto, cuda, cuda:0 or, to try this program, cpu");
  app.add_flag("--tiny", options.tiny, "shapes that take a moment");
  app.add_option("--filter", options.filter, "only items whose name has it");
  app.add_option("--seconds", options.seconds, "for everything")->check(CLI::PositiveNumber);
  app.add_option("--model", options.model, "a model's directory to serve as well");
  app.add_option("--folder", options.folder, "where files are made on the way");
}

std::vector<std::string> PartArguments(const std::string& part, const CheckOptions& options,
                                       size_t first) {
  std::vector<std::string> arguments = {"part",      part,
                                        "--first",   std::to_string(first),
                                        "--device",  options.device,
                                        "--seconds", std::to_string(options.seconds),
                                        "--folder",  options.folder.string()};
  if (options.tiny) arguments.emplace_back("--tiny");
  if (!options.filter.empty()) arguments.insert(arguments.end(), {"--filter", options.filter});
  if (!options.model.empty()) {
    arguments.insert(arguments.end(), {"--model", options.model.string()});
  }
  return arguments;
}

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  return text;
}

std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "an unknown processor";
}

std::string DriverVersion() {
  const auto program = FindOnPath("nvidia-smi");
  if (!program) return "";
  const CommandEnd end =
      RunToEnd(*program, {"--query-gpu=driver_version", "--format=csv,noheader"}, 20);
  return end.succeeded ? end.text.substr(0, end.text.find('\n')) : "";
}

void WriteTo(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  if (!(file << text).flush()) throw DeviceError("cannot write " + path.string());
}

struct Whole {
  CheckOptions options;
  std::vector<std::string> part_names;  // empty: all
  std::filesystem::path out = ".";
};

// Parts that are left out when the time is over are in the report too.
int RunWhole(Whole& whole, const std::vector<Part>& parts) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const TemporaryDirectory folder;
  if (whole.options.folder.empty()) whole.options.folder = folder.path();
  std::filesystem::create_directories(whole.out);
  const DeviceReport device = ReportOf(FindDevice(whole.options.device));
  CheckReport report{
      .began = UtcNow(),
      .commit = kCommit,
      .gpu = device.name,
      .architecture = device.architecture,
      .memory_bytes = device.memory_bytes,
      .driver = DriverVersion(),
      .host = Processor() + ", " + std::to_string(AvailableProcessors()) + " processors"};
  std::cout << "checking " << report.gpu << " (" << report.architecture << ") at commit "
            << report.commit << std::endl;
  for (const Part& part : parts) {
    const bool is_wanted = whole.part_names.empty() ||
                           std::ranges::find(whole.part_names, part.name) != whole.part_names.end();
    if (!is_wanted) continue;
    const double left = whole.options.seconds - seconds();
    std::cout << part.name << ": " << part.about << std::endl;
    if (left < 5) {
      report.parts.push_back({.name = part.name,
                              .about = part.about,
                              .items = {{"all", Skipped("the whole time is over"), 0}}});
      std::cout << "  SKIPPED: the whole time is over" << std::endl;
      continue;
    }
    CheckOptions options = whole.options;
    options.seconds = std::min(part.seconds, left);
    report.parts.push_back(RunPart(
        part, options, ThisProgram(),
        [&](const CheckOptions& now, size_t first) { return PartArguments(part.name, now, first); },
        std::cout));
    const PartRecord& record = report.parts.back();
    std::cout << "  " << record.count(CheckOutcome::kPassed) << " passed, "
              << record.count(CheckOutcome::kFailed) << " failed, "
              << record.count(CheckOutcome::kSkipped) << " skipped, "
              << static_cast<int>(record.seconds) << " s" << std::endl;
    report.seconds = seconds();  // written after each part: what is there stays
    WriteTo(whole.out / "gpu-check.json", ReportJson(report));
    WriteTo(whole.out / "gpu-check.md", ReportMarkdown(report));
  }
  if (report.parts.empty()) throw ConfigError("there is no such part");
  std::cout << (report.Succeeded() ? "nothing failed" : "FAILED") << "; see "
            << (whole.out / "gpu-check.md").string() << std::endl;
  return report.Succeeded() ? 0 : 1;
}

struct OnePart {
  CheckOptions options;
  std::string name;
  size_t first = 0;
};

int RunPartHere(const OnePart& one, const std::vector<Part>& parts) {
  const auto part = std::ranges::find_if(
      parts, [&](const Part& candidate) { return candidate.name == one.name; });
  if (part == parts.end()) throw ConfigError("there is no part '" + one.name + "'");
  return RunItems(*part, one.options, one.first, std::cout);
}

}  // namespace

int RunCheckProgram(int argc, char** argv, const std::vector<Part>& parts) {
  if (const auto status = RunOtherProgram(argc, argv)) return *status;
  std::string names;
  for (const Part& part : parts) names += (names.empty() ? "" : ", ") + part.name;
  CLI::App app("Checks and measures Tandem on a GPU; parts: " + names, "check");
  Whole whole;
  AddOptions(app, whole.options);
  app.add_option("--parts", whole.part_names, "only these")->delimiter(',');
  app.add_option("--out", whole.out, "folder for gpu-check.json and gpu-check.md");
  OnePart one;
  CLI::App* part = app.add_subcommand("part", "one part, in this process");
  AddOptions(*part, one.options);
  part->add_option("name", one.name, "which")->required();
  part->add_option("--first", one.first, "the item to begin with");
  CLI11_PARSE(app, argc, argv);
  try {
    return part->parsed() ? RunPartHere(one, parts) : RunWhole(whole, parts);
  } catch (const Error& error) {
    std::cerr << "check: " << error.what() << '\n';
    return 2;
  }
}

}  // namespace tandem
