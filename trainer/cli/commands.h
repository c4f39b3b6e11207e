#pragma once
// The commands of `tandem-train`: each is a function, and a row of TrainCommands().

#include <span>
#include <string>
#include <string_view>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"

namespace tandem {

struct TrainCommand {
  std::string_view name;
  std::string_view purpose;  // "pretrain a model from scratch"
  int (*run)(const CommandLine&) = nullptr;
};

// In the order in which people are told of them.
std::span<const TrainCommand> TrainCommands();

// Lets the knobs of all commands pass as variables: one environment is common to them.
void IgnoreOtherTrainCommands(Settings& settings);

// What `tandem-train help` prints.
std::string TrainCommandOverview();

}  // namespace tandem
