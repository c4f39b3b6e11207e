// The program `tandem-train`: finds the command and runs it.

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>

#include "trainer/cli/commands.h"

int main(int argc, char** argv) {
  using namespace tandem;
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--version") {
    std::cout << "tandem-train " << TANDEM_VERSION << '\n';
    return 0;
  }
  if (name == "--help" || name == "-h") {
    std::cout << TrainCommandOverview();
    return 0;
  }
  const auto commands = TrainCommands();
  const auto command = std::ranges::find(commands, name, &TrainCommand::name);
  if (command == commands.end()) {
    if (!name.empty()) std::cerr << "tandem-train: there is no command '" << name << "'\n\n";
    std::cerr << TrainCommandOverview();
    return kExitUsage;
  }
  return RunCommand("tandem-train " + std::string(name), command->run,
                    {.argc = argc - 1, .argv = argv + 1, .out = std::cout, .err = std::cerr});
}
