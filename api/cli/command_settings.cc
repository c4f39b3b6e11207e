#include "api/cli/command_settings.h"

#include <algorithm>
#include <utility>

#include "api/cli/chat_options.h"
#include "api/cli/generate_options.h"
#include "api/cli/inspect_options.h"
#include "api/cli/serve_options.h"

namespace tandem {

namespace {

// A table and the variables that it is bound to.
template <typename Options>
struct BoundSettings {
  Options options;
  Settings settings;

  BoundSettings(const std::string& command, const char* summary, void (*add)(Settings&, Options&))
      : settings("tandem " + command, summary) {
    add(settings, options);
  }
};

template <typename Options>
Command WithSettings(Command command, const char* summary, void (*add)(Settings&, Options&)) {
  const auto bound = std::make_shared<BoundSettings<Options>>(command.name, summary, add);
  command.settings = std::shared_ptr<const Settings>(bound, &bound->settings);
  return command;
}

// Those that have a manual page of their own.
std::vector<std::string> NamesOfTables(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (command.settings != nullptr) names.push_back(command.name);
  }
  return names;
}

}  // namespace

std::vector<Command> Commands() {
  std::vector<Command> commands = {
      WithSettings({.name = "serve", .purpose = "serve a model over HTTP", .run = Serve},
                   kServeSummary, AddServeSettings),
      WithSettings({.name = "chat", .purpose = "talk to a model in this terminal", .run = Chat},
                   kChatSummary, AddChatSettings),
      WithSettings({.name = "generate", .purpose = "complete a text", .run = Generate},
                   kGenerateSummary, AddGenerateSettings),
      WithSettings(
          {.name = "inspect", .purpose = "show what a model directory holds", .run = Inspect},
          kInspectSummary, AddInspectSettings),
      {.name = "train",
       .purpose = "train a model",
       .sister = Sister{"tandem-train", "the trainer"}},
      {.name = "convert",
       .purpose = "make a model of a .pth file, or the other way",
       .sister = Sister{"tandem-train", "the trainer", /*has_commands=*/true}},
      {.name = "loadtest",
       .purpose = "measure a server",
       .sister = Sister{"tandem-loadtest", "the load test"}},
      {.name = "bench",
       .purpose = "measure this machine",
       .sister =
           Sister{"tandem-bench", "the bench, which is built with the tests and never installed,"}},
      {.name = "completion",
       .purpose = "print what makes a shell complete these commands",
       .run = Completion,
       .words = {"bash", "zsh", "fish"}},
  };
  commands.push_back({.name = "man",
                      .purpose = "print a manual page",
                      .run = Man,
                      .words = NamesOfTables(commands)});
  commands.push_back({.name = "help", .purpose = "list the commands", .run = Help});
  return commands;
}

std::string CommandOverview(const std::vector<Command>& commands) {
  size_t width = 0;
  for (const Command& command : commands) width = std::max(width, command.name.size());
  std::string text = "Usage: tandem COMMAND [ARGUMENTS]\n\n";
  for (const Command& command : commands) {
    text += "  " + command.name + std::string(width + 2 - command.name.size(), ' ') +
            command.purpose + (command.sister ? " (" + command.sister->program + ")" : "") + "\n";
  }
  return text + "\ntandem COMMAND --help lists a command's settings.\n";
}

void IgnoreOtherCommands(Settings& settings) {
  for (const Command& command : Commands()) {
    if (command.settings != nullptr) settings.IgnoreVariablesOf(*command.settings);
  }
}

}  // namespace tandem
