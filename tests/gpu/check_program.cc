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

const Part& PartByName(const std::vector<Part>& parts, const std::string& name) {
  const auto part =
      std::ranges::find_if(parts, [&](const Part& candidate) { return candidate.name == name; });
  if (part == parts.end()) throw ConfigError("there is no part '" + name + "'");
  return *part;
}

// In the order in which all run.
std::vector<Part> ChosenParts(const std::vector<Part>& parts,
                              const std::vector<std::string>& names) {
  for (const std::string& name : names) PartByName(parts, name);
  std::vector<Part> chosen = parts;
  if (names.empty()) return chosen;
  std::erase_if(
      chosen, [&](const Part& part) { return std::ranges::find(names, part.name) == names.end(); });
  return chosen;
}

CheckReport DescribeMachine(const std::string& device_name) {
  const DeviceReport device = ReportOf(FindDevice(device_name));
  return {.began = UtcNow(),
          .commit = kCommit,
          .gpu = device.name,
          .architecture = device.architecture,
          .memory_bytes = device.memory_bytes,
          .driver = DriverVersion(),
          .host = Processor() + ", " + std::to_string(AvailableProcessors()) + " processors"};
}

PartRecord RunPartIfTime(const Part& part, CheckOptions options) {
  constexpr double kLeastSeconds = 5;
  if (options.seconds < kLeastSeconds) {
    std::cout << "  SKIPPED: the whole time is over" << std::endl;
    return {.name = part.name,
            .about = part.about,
            .items = {{"all", Skipped("the whole time is over"), 0}}};
  }
  options.seconds = std::min(part.seconds, options.seconds);
  PartRecord record = RunPart(
      part, options, ThisProgram(),
      [&](const CheckOptions& now, size_t first) { return PartArguments(part.name, now, first); },
      std::cout);
  std::cout << "  " << record.count(CheckOutcome::kPassed) << " passed, "
            << record.count(CheckOutcome::kFailed) << " failed, "
            << record.count(CheckOutcome::kSkipped) << " skipped, "
            << static_cast<int>(record.seconds) << " s" << std::endl;
  return record;
}

int RunWhole(Whole whole, const std::vector<Part>& parts) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Part> chosen = ChosenParts(parts, whole.part_names);
  const TemporaryDirectory folder;
  if (whole.options.folder.empty()) whole.options.folder = folder.path();
  std::filesystem::create_directories(whole.out);
  CheckReport report = DescribeMachine(whole.options.device);
  std::cout << "checking " << report.gpu << " (" << report.architecture << ") at commit "
            << report.commit << std::endl;
  for (const Part& part : chosen) {
    std::cout << part.name << ": " << part.about << std::endl;
    CheckOptions options = whole.options;
    options.seconds -= report.seconds;
    report.parts.push_back(RunPartIfTime(part, options));
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    report.seconds = spent.count();
    // After each part, so that what is there stays.
    WriteTo(whole.out / "gpu-check.json", ReportJson(report));
    WriteTo(whole.out / "gpu-check.md", ReportMarkdown(report));
  }
  std::cout << (report.Succeeded() ? "nothing failed" : "FAILED") << "; see "
            << (whole.out / "gpu-check.md").string() << std::endl;
  return report.Succeeded() ? 0 : 1;
}

struct OnePart {
  CheckOptions options;
  std::string name;
  size_t first = 0;
};

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
    if (!part->parsed()) return RunWhole(whole, parts);
    return RunItems(PartByName(parts, one.name), one.options, one.first, std::cout);
  } catch (const Error& error) {
    std::cerr << "check: " << error.what() << '\n';
    return 2;
  }
}

}  // namespace tandem
