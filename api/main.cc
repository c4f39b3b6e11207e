// The program `tandem`: finds the command and runs it, or becomes the sister program that has it.

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

#include "api/cli/command_line.h"
#include "engine/base/program_files.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;  // the command line, its files or their combination are wrong

constexpr std::string_view kHelp =
    "Usage: tandem COMMAND [ARGUMENTS]\n\n"
    "  serve      serve a model over HTTP\n"
    "  chat       talk to a model in this terminal\n"
    "  generate   complete a text\n"
    "  inspect    show what a model directory holds\n"
    "  train      train a model (tandem-train)\n"
    "  loadtest   measure a running server (tandem-loadtest)\n"
    "  bench      measure this machine (tandem-bench)\n\n"
    "tandem COMMAND --help lists a command's settings.\n";

const std::map<std::string_view, int (*)(const CommandLine&)> kCommands = {
    {"serve", Serve}, {"chat", Chat}, {"generate", Generate}, {"inspect", Inspect}};

// A command that is a program of its own, beside this one.
struct Sister {
  const char* program;
  const char* what;
};

const std::map<std::string_view, Sister> kSisters = {
    {"train", {"tandem-train", "the trainer"}},
    {"loadtest", {"tandem-loadtest", "the load test"}},
    {"bench", {"tandem-bench", "the bench, which is built with the tests and never installed,"}}};

// Runs the program that lies beside this one; returns only when that cannot be.
int BecomeSister(std::string_view command, const Sister& sister, char** arguments) {
  const std::filesystem::path path = ProgramFolder() / sister.program;
  ::execv(path.c_str(), arguments);
  const int error = errno;
  std::cerr << "tandem " << command << ": " << sister.what << " is a program of its own, "
            << sister.program;
  if (error == ENOENT) {
    std::cerr << ", and this build does not have it (" << path.string() << " is not there)\n";
  } else {
    std::cerr << ", and " << path.string() << " does not start: " << std::strerror(error) << '\n';
  }
  return kFailure;
}

int Run(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "--version") {
    std::cout << "tandem " << TANDEM_VERSION << '\n';
    return 0;
  }
  if (command == "--help" || command == "-h" || command == "help") {
    std::cout << kHelp;
    return 0;
  }
  if (const auto sister = kSisters.find(command); sister != kSisters.end()) {
    return BecomeSister(command, sister->second, argv + 1);
  }
  const auto found = kCommands.find(command);
  if (found == kCommands.end()) {
    if (!command.empty()) std::cerr << "tandem: there is no command '" << command << "'\n\n";
    std::cerr << kHelp;
    return kUsage;
  }
  const CommandLine line{.argc = argc - 1, .argv = argv + 1, .out = std::cout, .err = std::cerr};
  try {
    return found->second(line);
  } catch (const InvalidRequest& error) {
    std::cerr << "tandem " << command << ": " << error.what() << '\n';
    return kUsage;
  } catch (const ConfigError& error) {
    std::cerr << "tandem " << command << ": " << error.what() << '\n';
    return kUsage;
  } catch (const FormatError& error) {
    std::cerr << "tandem " << command << ": " << error.what() << '\n';
    return kUsage;
  } catch (const std::exception& error) {
    std::cerr << "tandem " << command << ": " << error.what() << '\n';
    return kFailure;
  }
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Run(argc, argv); }
