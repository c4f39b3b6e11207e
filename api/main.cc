// The program `tandem`: finds the command and runs it, or becomes the sister program that has it.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string_view>
#include <vector>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "engine/base/program_files.h"

namespace tandem {
namespace {

// Runs the program that has the command; returns only when that cannot be.
int BecomeSister(const Command& command, char** arguments) {
  const std::filesystem::path path = ProgramFolder() / command.sister->program;
  ::execv(path.c_str(), arguments);
  const int error = errno;
  std::cerr << "tandem " << command.name << ": " << command.sister->title
            << " is a program of its own, " << command.sister->program;
  if (error == ENOENT) {
    std::cerr << ", and this build does not have it (" << path.string() << " is not there)\n";
  } else {
    std::cerr << ", and " << path.string() << " does not start: " << std::strerror(error) << '\n';
  }
  return kExitFailure;
}

int Run(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--version") {
    std::cout << "tandem " << TANDEM_VERSION << '\n';
    return 0;
  }
  const std::vector<Command> commands = Commands();
  if (name == "--help" || name == "-h") {
    std::cout << CommandOverview(commands);
    return 0;
  }
  const auto command = std::find_if(commands.begin(), commands.end(),
                                    [&](const Command& row) { return row.name == name; });
  if (command == commands.end()) {
    if (!name.empty()) std::cerr << "tandem: there is no command '" << name << "'\n\n";
    std::cerr << CommandOverview(commands);
    return kExitUsage;
  }
  if (command->sister) {
    return BecomeSister(*command, command->sister->has_commands ? argv : argv + 1);
  }
  const CommandLine line{.argc = argc - 1, .argv = argv + 1, .out = std::cout, .err = std::cerr};
  return RunCommand("tandem " + command->name, command->run, line);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Run(argc, argv); }
