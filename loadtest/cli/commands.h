#pragma once
// The commands of `tandem-loadtest`: each is a function, and a row of LoadtestCommands().

#include <span>
#include <string>
#include <string_view>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"

namespace tandem {

struct LoadtestCommand {
  std::string_view name;
  std::string_view purpose;  // "apply a load and measure"
  int (*run)(const CommandLine&) = nullptr;
};

// In the order in which people are told of them.
std::span<const LoadtestCommand> LoadtestCommands();

// Lets the knobs of all commands pass as variables: one environment is common to them.
void IgnoreOtherLoadtestCommands(Settings& settings);

// What `tandem-loadtest help` prints.
std::string LoadtestCommandOverview();

}  // namespace tandem
