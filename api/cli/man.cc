// tandem man: prints a manual page.

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "api/cli/man_page.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr std::string_view kUsage =
    "Usage: tandem man [COMMAND]\n\n"
    "Prints the manual page of tandem, or of one of its commands. To read it:\n\n"
    "  tandem man serve | man -l -\n\n"
    "An installed tandem brings its pages along: man tandem-serve.\n";

}  // namespace

int Man(const CommandLine& line) {
  const std::string_view name = line.argc > 1 ? line.argv[1] : "";
  if (name == "--help" || name == "-h") {
    line.out << kUsage;
    return 0;
  }
  const std::vector<Command> commands = Commands();
  if (line.argc == 1) {
    line.out << ProgramManPage(commands, TANDEM_VERSION);
    return 0;
  }
  const auto command = std::find_if(commands.begin(), commands.end(), [&](const Command& row) {
    return row.name == name && row.settings != nullptr;
  });
  if (line.argc > 2 || command == commands.end()) {
    throw ConfigError(
        "there is a page of each command that has settings, such as serve (tandem "
        "man --help says more)");
  }
  line.out << CommandManPage(*command, TANDEM_VERSION);
  return 0;
}

}  // namespace tandem
