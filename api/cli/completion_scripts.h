#pragma once
// Scripts that make a shell complete the command lines of `tandem`, made from the list of commands:
// names, flags with their help, words to choose from, files and directories. Pure functions; they
// show no value but the words of choices.
//
// The names and texts of the list are ours, yet each script quotes them as its shell wants it, so
// that a help text may have any character but a line end.

#include <string>
#include <string_view>
#include <vector>

#include "api/cli/command_settings.h"

namespace tandem {

std::string BashCompletion(const std::vector<Command>& commands);
std::string ZshCompletion(const std::vector<Command>& commands);
std::string FishCompletion(const std::vector<Command>& commands);

// `text` as one word of every POSIX-like shell, bash and zsh among them: bare where that is safe,
// else between apostrophes.
std::string ShellWord(std::string_view text);

}  // namespace tandem
