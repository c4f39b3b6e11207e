// tandem completion: prints a completion script.

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "api/cli/completion_scripts.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr std::string_view kUsage =
    "Usage: tandem completion bash|zsh|fish\n\n"
    "Prints a script that makes the shell complete tandem's commands and flags. To try it:\n\n"
    "  bash   source <(tandem completion bash)\n"
    "  zsh    source <(tandem completion zsh)      (after compinit)\n"
    "  fish   tandem completion fish | source\n\n"
    "An installed tandem brings the scripts along, where bash-completion, zsh and fish look for\n"
    "them below their own prefix. For another prefix, write them to:\n\n"
    "  bash   ~/.local/share/bash-completion/completions/tandem\n"
    "  zsh    _tandem in a folder of $fpath\n"
    "  fish   ~/.config/fish/completions/tandem.fish\n";

}  // namespace

int Completion(const CommandLine& line) {
  const std::string_view shell = line.argc == 2 ? line.argv[1] : "";
  if (shell == "--help" || shell == "-h") {
    line.out << kUsage;
    return 0;
  }
  const std::vector<Command> commands = Commands();
  if (shell == "bash") {
    line.out << BashCompletion(commands);
  } else if (shell == "zsh") {
    line.out << ZshCompletion(commands);
  } else if (shell == "fish") {
    line.out << FishCompletion(commands);
  } else {
    throw ConfigError("name one shell: bash, zsh or fish (tandem completion --help says more)");
  }
  return 0;
}

}  // namespace tandem
