#include "loadtest/cli/commands.h"

#include <fmt/format.h>

#include <ostream>

#include "loadtest/cli/run_command.h"

namespace tandem {
namespace {

int Help(const CommandLine& line) {
  line.out << LoadtestCommandOverview();
  return 0;
}

constexpr LoadtestCommand kCommands[] = {
    {"run", "apply a load to a server and measure", RunLoad},
    {"help", "this overview", Help},
};

}  // namespace

std::span<const LoadtestCommand> LoadtestCommands() { return kCommands; }

std::string LoadtestCommandOverview() {
  std::string text = "usage: tandem-loadtest COMMAND [OPTION...]\n\ncommands:\n";
  for (const LoadtestCommand& command : kCommands) {
    text += fmt::format("  {:<12}{}\n", command.name, command.purpose);
  }
  return text + "\n'tandem-loadtest COMMAND --help' lists the options of one.\n";
}

}  // namespace tandem
