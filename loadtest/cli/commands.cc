#include "loadtest/cli/commands.h"

#include <fmt/format.h>

#include <ostream>

#include "loadtest/cli/compare_command.h"
#include "loadtest/cli/ladder_command.h"
#include "loadtest/cli/merge_command.h"
#include "loadtest/cli/report_command.h"
#include "loadtest/cli/run_command.h"
#include "loadtest/cli/search_command.h"

namespace tandem {
namespace {

int Help(const CommandLine& line) {
  line.out << LoadtestCommandOverview();
  return 0;
}

constexpr LoadtestCommand kCommands[] = {
    {"run", "apply a load to a server and measure", RunLoad},
    {"search", "find the highest rate at which a service level holds", SearchLoad},
    {"ladder", "what each step of serving buys on this machine", RunLadder},
    {"compare", "two results side by side", CompareLoads},
    {"merge", "the results of workers that ran side by side as one", MergeLoads},
    {"report", "draw a result into an HTML file", ReportLoad},
    {"help", "this overview", Help},
};

}  // namespace

std::span<const LoadtestCommand> LoadtestCommands() { return kCommands; }

// The others have nothing but files to name.
void IgnoreOtherLoadtestCommands(Settings& settings) {
  settings.IgnoreVariablesOf(AddRunSettings);
  settings.IgnoreVariablesOf(AddSearchSettings);
  settings.IgnoreVariablesOf(AddLadderSettings);
}

std::string LoadtestCommandOverview() {
  std::string text = "usage: tandem-loadtest COMMAND [OPTION...]\n\ncommands:\n";
  for (const LoadtestCommand& command : kCommands) {
    text += fmt::format("  {:<12}{}\n", command.name, command.purpose);
  }
  return text + "\n'tandem-loadtest COMMAND --help' lists the options of one.\n";
}

}  // namespace tandem
