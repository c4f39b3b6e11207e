// The program `tandem-loadtest`: finds the command and runs it.

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>

#include "loadtest/cli/commands.h"

int main(int argc, char** argv) {
  using namespace tandem;
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--version") {
    std::cout << "tandem-loadtest " << TANDEM_VERSION << '\n';
    return 0;
  }
  if (name == "--help" || name == "-h") {
    std::cout << LoadtestCommandOverview();
    return 0;
  }
  const auto commands = LoadtestCommands();
  const auto command = std::ranges::find(commands, name, &LoadtestCommand::name);
  if (command == commands.end()) {
    if (!name.empty()) std::cerr << "tandem-loadtest: there is no command '" << name << "'\n\n";
    std::cerr << LoadtestCommandOverview();
    return kExitUsage;
  }
  return RunCommand("tandem-loadtest " + std::string(name), command->run,
                    {.argc = argc - 1, .argv = argv + 1, .out = std::cout, .err = std::cerr});
}
