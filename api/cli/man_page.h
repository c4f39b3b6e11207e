#pragma once
// Manual pages (section 1, roff with the man macros) made from the list of commands. Pure
// functions: the pages tell defaults and never present values, and are the same on every machine
// and day.

#include <string>
#include <string_view>
#include <vector>

#include "api/cli/command_settings.h"

namespace tandem {

// tandem(1): the commands, and what they have in common.
std::string ProgramManPage(const std::vector<Command>& commands, std::string_view version);
// tandem-serve(1) and its like. The command has a table of settings.
std::string CommandManPage(const Command& command, std::string_view version);

// ASCII `text` as roff that shows exactly its characters, wherever in a line it stands.
std::string RoffText(std::string_view text);

}  // namespace tandem
