#pragma once
// Every command of `tandem`, with what it is for and its settings: main runs commands from this
// list; `tandem help`, completion scripts and manual pages are made of it. One environment is
// common to all commands, so a variable that sets a knob of one is no error to the others.
//
// To add a command: a row in Commands(), its function in command_line.h.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/command_line.h"
#include "engine/base/settings.h"

namespace tandem {

// A program of its own, beside this one, that has a command.
struct Sister {
  std::string program;        // "tandem-train"
  std::string title;          // "the trainer"
  bool has_commands = false;  // the command is one of its own, by the same name
};

struct Command {
  std::string name;
  std::string purpose;                       // "serve a model over HTTP"
  int (*run)(const CommandLine&) = nullptr;  // null: `sister` has the command
  // Its table, with initial values. Null when it has none. The pointer also owns the variables that
  // the rows are bound to, which is why it is a shared one.
  std::shared_ptr<const Settings> settings;
  std::vector<std::string> words;  // without a table: what may be its one argument
  std::optional<Sister> sister;
};

// In the order in which people are told of them.
std::vector<Command> Commands();

// What `tandem help` prints.
std::string CommandOverview(const std::vector<Command>& commands);

// Lets the knobs of all commands pass as variables. Those of the table itself keep their meaning.
void IgnoreOtherCommands(Settings& settings);

}  // namespace tandem
