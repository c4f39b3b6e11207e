#include "api/cli/completion_scripts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/setting_text.h"
#include "tests/api/support/odd_commands.h"

namespace tandem {
namespace {

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The lines of `script` that speak of a command: in bash and zsh those of its function.
std::string PartOf(const std::string& script, const Command& command) {
  const size_t begin = script.find("\n_tandem__" + command.name + "() {\n");
  if (begin == std::string::npos) return "";
  return script.substr(begin, script.find("\n}\n", begin) - begin);
}

struct Shown {
  std::string flag;
  std::string help;
};

std::vector<Shown> EveryFlag(const Settings& settings) {
  std::vector<Shown> flags;
  for (const Setting& row : settings.rows()) {
    flags.push_back({row.name, row.knob.help});
    if (CanBeTurnedOff(row)) flags.push_back({"no-" + row.name, "turn --" + row.name + " off"});
  }
  return flags;
}

// Help as it stands between apostrophes, where every shell writes an apostrophe in its own way.
std::string UpToApostrophe(const std::string& help) { return help.substr(0, help.find('\'')); }

TEST(CompletionScripts, HaveEveryFlagOfEveryCommand) {
  const std::vector<Command> commands = Commands();
  const std::string bash = BashCompletion(commands);
  const std::string zsh = ZshCompletion(commands);
  const std::string fish = FishCompletion(commands);
  for (const Command& command : commands) {
    if (command.settings == nullptr) continue;
    SCOPED_TRACE(command.name);
    // One flag a word: a line break counts as a space.
    std::string bash_part = PartOf(bash, command) + " ";
    for (char& c : bash_part) c = c == '\n' ? ' ' : c;
    const std::string zsh_part = PartOf(zsh, command);
    for (const auto& [flag, help] : EveryFlag(*command.settings)) {
      EXPECT_TRUE(Contains(bash_part, " --" + flag + " ")) << flag;
      const std::string shown = "[" + UpToApostrophe(help);
      EXPECT_TRUE(Contains(zsh_part, "--" + flag + shown) ||
                  Contains(zsh_part, "--" + flag + "=" + shown))
          << flag;
      const std::string line =
          "complete -c tandem -n '__tandem_runs " + command.name + "' -l " + flag + " ";
      const size_t at = fish.find(line);
      ASSERT_NE(at, std::string::npos) << flag;
      EXPECT_TRUE(Contains(fish.substr(at, fish.find('\n', at) - at), UpToApostrophe(help)))
          << flag;
    }
  }
}

TEST(CompletionScripts, HaveEveryCommandAndItsWords) {
  const std::vector<Command> commands = Commands();
  const std::string zsh = ZshCompletion(commands);
  const std::string fish = FishCompletion(commands);
  for (const Command& command : commands) {
    EXPECT_TRUE(Contains(zsh, "    '" + command.name + ":" + command.purpose + "'\n"));
    EXPECT_TRUE(Contains(fish, "-n __tandem_needs_command -a '" + command.name + "' -d '" +
                                   command.purpose + "'\n"));
  }
  EXPECT_TRUE(Contains(BashCompletion(commands), "_tandem_offer bash zsh fish\n"));
  EXPECT_TRUE(Contains(zsh, "'1: :(bash zsh fish)'"));
  EXPECT_TRUE(Contains(fish, "-n '__tandem_runs completion' -a 'bash zsh fish'\n"));
  // Another program's flags are not ours to know: files, as without a script.
  EXPECT_TRUE(Contains(fish, "-n '__tandem_runs train' -F\n"));
}

TEST(CompletionScripts, OfferWhatAValueCanBe) {
  const std::vector<Command> commands = Commands();
  const std::string bash = BashCompletion(commands);
  EXPECT_TRUE(Contains(bash, "    --log-level)\n      _tandem_offer debug info warning error"));
  EXPECT_TRUE(Contains(bash, "    --model) compopt -o dirnames ;;\n"));
  EXPECT_TRUE(Contains(bash, " | --ssl-keyfile) compopt -o default ;;\n"));
  const std::string zsh = ZshCompletion(commands);
  EXPECT_TRUE(Contains(zsh, ":log-level:(debug info warning error off)'"));
  EXPECT_TRUE(Contains(zsh, "'::DIR:_files -/'"));
  EXPECT_TRUE(Contains(zsh, "'--ssl-keyfile=["));
  EXPECT_TRUE(Contains(zsh, "'*--api-key=["));
  const std::string fish = FishCompletion(commands);
  EXPECT_TRUE(Contains(fish, "-l log-level -x -a 'debug info warning error off' -d "));
  EXPECT_TRUE(Contains(fish, "-l model -x -a '(__fish_complete_directories)' -d "));
  EXPECT_TRUE(Contains(fish, "-l api-key-file -r -F -d "));
}

TEST(CompletionScripts, QuoteEveryTextForTheirShell) {
  const OddCommands commands;
  const std::string bash = BashCompletion(commands.list());
  EXPECT_TRUE(Contains(bash, R"(_tandem_offer 'a b' 'it'\''s:$x')"));
  const std::string zsh = ZshCompletion(commands.list());
  EXPECT_TRUE(Contains(zsh, R"('--place=[it'\''s "x" \[y\]: $(z) `w` \\ -1]:DIR:_files -/')"));
  EXPECT_TRUE(Contains(zsh, R"('odd:it'\''s "x" [y]: $(z) `w` \ -1')"));
  EXPECT_TRUE(Contains(zsh, R"(:A\:B: ')"));
  EXPECT_TRUE(Contains(zsh, R"(:mood:('\''a b'\'' '\''it'\''\'\'''\''s\:$x'\''))"));
  const std::string fish = FishCompletion(commands.list());
  EXPECT_TRUE(Contains(fish, R"( -d 'it\'s "x" [y]: $(z) `w` \\ -1')"));
  EXPECT_TRUE(Contains(fish, R"( -l mood -x -a '\'a b\' \'it\\\'s:$x\'' -d )"));
}

TEST(CompletionScripts, ShowNoValues) {
  const OddCommands commands;
  for (const auto& script : {BashCompletion(commands.list()), ZshCompletion(commands.list()),
                             FishCompletion(commands.list())}) {
    EXPECT_TRUE(Contains(script, "key"));
    EXPECT_FALSE(Contains(script, "hunter2"));
  }
}

TEST(ShellWord, QuotesOnlyWhereItMust) {
  EXPECT_EQ(ShellWord("--max-model-len"), "--max-model-len");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("a b"), "'a b'");
  EXPECT_EQ(ShellWord("~"), "'~'");
  EXPECT_EQ(ShellWord("don't"), R"('don'\''t')");
}

}  // namespace
}  // namespace tandem
