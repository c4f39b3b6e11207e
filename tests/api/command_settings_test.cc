#include "api/cli/command_settings.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace tandem {
namespace {

TEST(Commands, AreEachRunByThisProgramOrByAnother) {
  std::set<std::string> names;
  for (const Command& command : Commands()) {
    SCOPED_TRACE(command.name);
    EXPECT_TRUE(names.insert(command.name).second);
    EXPECT_EQ(command.run == nullptr, command.sister.has_value());
    EXPECT_FALSE(command.purpose.empty());
    EXPECT_TRUE(command.settings == nullptr || command.words.empty());
  }
}

TEST(Commands, AreListedByHelp) {
  std::ostringstream out;
  std::ostringstream err;
  const char* arguments[] = {"help"};
  EXPECT_EQ(Help({.argc = 1, .argv = arguments, .out = out, .err = err}), 0);
  EXPECT_NE(out.str().find("\n  serve       serve a model over HTTP\n"), std::string::npos);
  for (const Command& command : Commands()) {
    EXPECT_NE(out.str().find("\n  " + command.name + " "), std::string::npos) << command.name;
  }
}

// The launcher is a script with a list of its own.
TEST(Commands, AreKnownToTheLauncher) {
  std::ifstream file(TANDEM_SOURCE_DIR "/tandem");
  std::string help;
  std::set<std::string> dispatched;
  std::string patterns;  // of the case that was read last
  for (std::string line; std::getline(file, line);) {
    help += line + "\n";
    if (const size_t end = line.find(')'); line.starts_with("  ") && end != std::string::npos) {
      if (line[2] != ' ') patterns = line.substr(0, end);
    }
    if (line.find("RunProgram tandem") == std::string::npos) continue;
    std::istringstream words(patterns);
    for (std::string word; words >> word;) dispatched.insert(word);
  }
  for (const Command& command : Commands()) {
    EXPECT_NE(help.find("\n  " + command.name + " "), std::string::npos) << command.name;
    if (command.name == "help") continue;  // the launcher has more commands, and lists them itself
    EXPECT_TRUE(dispatched.contains(command.name)) << command.name;
  }
}

TEST(Commands, LetTheVariablesOfOneAnotherPass) {
  Settings settings("tandem inspect", "");
  IgnoreOtherCommands(settings);
  EXPECT_EQ(settings.Parse(
                {.arguments = {}, .variables = {{"TANDEM_PORT", "80"}, {"TANDEM_TOP_K", "4"}}}),
            std::nullopt);
  EXPECT_THROW(settings.Parse({.arguments = {}, .variables = {{"TANDEM_PROT", "80"}}}),
               ConfigError);
}

TEST(Commands, ThatPrintTakeOneWord) {
  std::ostringstream out;
  std::ostringstream err;
  const auto run = [&](auto command, std::vector<const char*> arguments) {
    return command({.argc = static_cast<int>(arguments.size()),
                    .argv = arguments.data(),
                    .out = out,
                    .err = err});
  };
  EXPECT_THROW(run(Completion, {"completion"}), ConfigError);
  EXPECT_THROW(run(Completion, {"completion", "tcsh"}), ConfigError);
  EXPECT_THROW(run(Completion, {"completion", "bash", "zsh"}), ConfigError);
  EXPECT_THROW(run(Man, {"man", "train"}), ConfigError);
  EXPECT_THROW(run(Man, {"man", "serve", "chat"}), ConfigError);
  EXPECT_EQ(out.str(), "");
  EXPECT_EQ(run(Completion, {"completion", "--help"}), 0);
  EXPECT_EQ(run(Man, {"man", "--help"}), 0);
  EXPECT_EQ(run(Man, {"man"}), 0);
}

}  // namespace
}  // namespace tandem
