// The program `tandem`: finds the command and runs it, or becomes the sister program that has it.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

#include "api/cli/command_line.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;  // the command line, its files or their combination are wrong

constexpr std::string_view kHelp =
    "Usage: tandem COMMAND [ARGUMENTS]\n\n"
    "  serve      serve a model over HTTP\n"
    "  generate   complete a text\n"
    "  inspect    show what a model directory holds\n"
    "  train      train a model (tandem-train)\n"
    "  loadtest   measure a running server (tandem-loadtest)\n"
    "  bench      measure this machine (tandem-bench)\n\n"
    "tandem COMMAND --help lists a command's settings.\n";

const std::map<std::string_view, int (*)(const CommandLine&)> kCommands = {
    {"serve", Serve}, {"generate", Generate}, {"inspect", Inspect}};

const std::map<std::string_view, const char*> kSisters = {
    {"train", "tandem-train"}, {"loadtest", "tandem-loadtest"}, {"bench", "tandem-bench"}};

// Runs the program that lies beside this one; returns only when there is none.
int BecomeSister(const char* name, char** arguments) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string path = (self.parent_path() / name).string();
  ::execv(path.c_str(), arguments);
  std::cerr << "tandem: " << path << " is not installed\n";
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
    return BecomeSister(sister->second, argv + 1);
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
