// The completion scripts in the shells that they are for. Each test sources what the program
// prints.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "api/cli/completion_scripts.h"
#include "tests/api/support/odd_commands.h"
#include "tests/e2e/program.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

const std::string kTandem = TANDEM_BUILD_DIR "/bin/tandem";

using Lines = std::vector<std::string>;

class CompletionScript : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kTandem)) GTEST_SKIP() << kTandem << " is not built";
  }

  // Runs `shell -c script arguments...`, without the files that a user's shell reads at its start.
  static std::string Output(const Lines& shell, const std::string& script, const Lines& arguments) {
    Lines command = {"/usr/bin/env"};
    command.insert(command.end(), shell.begin(), shell.end());
    command.insert(command.end(), {"-c", script});
    command.insert(command.end(), arguments.begin(), arguments.end());
    Program program(command);
    EXPECT_EQ(program.Wait(), 0) << program.text();
    return program.text();
  }
  static bool HasShell(const std::string& name) {
    return Output({"sh"}, "command -v \"$1\" || true", {"sh", name}) != "";
  }
  static std::string Written(const std::filesystem::path& path, const std::string& script) {
    std::ofstream(path) << script;
    return path.string();
  }

  // What bash offers where the last word is being typed. Instead of files it tells how it would
  // find some.
  static Lines Bash(const Lines& words) {
    constexpr char kScript[] = R"sh(
      set -u
      source <("$0" completion bash)
      [[ $(complete -p tandem) == 'complete -F _tandem tandem' ]] || exit 1
      compopt() { printf '%s\n' "$*"; }
      COMP_WORDS=("$@")
      COMP_CWORD=$(($# - 1))
      _tandem
      if ((${#COMPREPLY[@]} > 0)); then printf '%s\n' "${COMPREPLY[@]}"; fi
    )sh";
    Lines arguments = {kTandem};
    arguments.insert(arguments.end(), words.begin(), words.end());
    std::istringstream text(Output({"bash", "--noprofile", "--norc"}, kScript, arguments));
    Lines lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
};

TEST_F(CompletionScript, OfBashOffersCommands) {
  EXPECT_EQ(Bash({"tandem", "se"}), Lines({"serve"}));
  EXPECT_EQ(Bash({"./tandem", "--v"}), Lines({"--version"}));
  EXPECT_EQ(Bash({"tandem", "nothing"}), Lines());
  EXPECT_EQ(Bash({"tandem", "nothing", ""}), Lines());
  EXPECT_EQ(Bash({"tandem", "completion", "b"}), Lines({"bash"}));
  EXPECT_EQ(Bash({"tandem", "completion", "bash", ""}), Lines());
}

TEST_F(CompletionScript, OfBashOffersFlags) {
  EXPECT_EQ(Bash({"tandem", "serve", "--po"}), Lines({"--port"}));
  EXPECT_EQ(Bash({"tandem", "serve", "--port", "80", "--no-ena"}),
            Lines({"--no-enable-prefix-caching"}));
  EXPECT_EQ(Bash({"tandem", "inspect", "model", "--t"}), Lines({"--tensors"}));
}

TEST_F(CompletionScript, OfBashOffersValues) {
  EXPECT_EQ(Bash({"tandem", "serve", "--dtype", ""}),
            Lines({"auto", "float32", "bfloat16", "float16", "int8"}));
  EXPECT_EQ(Bash({"tandem", "serve", "--dtype", "b"}), Lines({"bfloat16"}));
  EXPECT_EQ(Bash({"tandem", "serve", "--dtype", "=", "b"}), Lines({"bfloat16"}));  // --dtype=b
  EXPECT_EQ(Bash({"tandem", "serve", "--dtype", "="}).size(), 5u);
  EXPECT_EQ(Bash({"tandem", "serve", "--port", ""}), Lines());
  EXPECT_EQ(Bash({"tandem", "serve", "--port", "--"}), Lines());
}

TEST_F(CompletionScript, OfBashOffersFilesAndDirectories) {
  EXPECT_EQ(Bash({"tandem", "serve", "--config", ""}), Lines({"-o default"}));
  EXPECT_EQ(Bash({"tandem", "serve", "--model", "x"}), Lines({"-o dirnames"}));
  EXPECT_EQ(Bash({"tandem", "inspect", ""}), Lines({"-o dirnames"}));
  EXPECT_EQ(Bash({"tandem", "train", ""}), Lines({"-o default"}));
}

TEST_F(CompletionScript, OfBashSurvivesOddTexts) {
  const TemporaryDirectory folder;
  const std::string file = Written(folder / "bash", BashCompletion(OddCommands().list()));
  constexpr char kScript[] = R"sh(
    source "$0"
    COMP_WORDS=(tandem odd --mood '')
    COMP_CWORD=3
    _tandem
    printf '%s\n' "${COMPREPLY[@]}"
  )sh";
  EXPECT_EQ(Output({"bash", "--noprofile", "--norc"}, kScript, {file}), "a b\nit's:$x\n");
}

TEST_F(CompletionScript, OfZshIsReadByZsh) {
  if (!HasShell("zsh")) GTEST_SKIP() << "SKIPPED: zsh is not installed";
  EXPECT_EQ(Output({"bash"}, "\"$0\" completion zsh | zsh -n", {kTandem}), "");
  const TemporaryDirectory folder;
  const std::string file = Written(folder / "zsh", ZshCompletion(OddCommands().list()));
  EXPECT_EQ(Output({"zsh"}, "zsh -n \"$0\"", {file}), "");
}

TEST_F(CompletionScript, OfFishOffersFlagsAndValues) {
  if (!HasShell("fish")) GTEST_SKIP() << "SKIPPED: fish is not installed";
  EXPECT_EQ(Output({"bash"}, "\"$0\" completion fish | fish -n", {kTandem}), "");
  const auto ask = [](const std::string& line) {
    return Output({"fish", "--no-config"},
                  "$argv[1] completion fish | source; complete -C $argv[2]", {kTandem, line});
  };
  EXPECT_EQ(ask("tandem se"), "serve\tserve a model over HTTP\n");
  EXPECT_EQ(ask("./tandem serve --po"), "--port\tTCP port; 0: any free one\n");
  EXPECT_EQ(ask("tandem serve --log-level=w"), "--log-level=warning\tleast level that is logged\n");
}

TEST_F(CompletionScript, OfFishSurvivesOddTexts) {
  if (!HasShell("fish")) GTEST_SKIP() << "SKIPPED: fish is not installed";
  const TemporaryDirectory folder;
  const std::string file = Written(folder / "fish", FishCompletion(OddCommands().list()));
  const auto ask = [&](const std::string& line) {
    return Output({"fish", "--no-config"}, "source $argv[1]; complete -C $argv[2]", {file, line});
  };
  EXPECT_EQ(ask("tandem odd --pl"), std::string("--place\t") + kOddHelp + "\n");
  EXPECT_EQ(ask("tandem o"), std::string("odd\t") + kOddHelp + "\n");
  EXPECT_EQ(ask("tandem odd --mood "), "a b\tno help\nit's:$x\tno help\n");
}

}  // namespace
}  // namespace tandem
