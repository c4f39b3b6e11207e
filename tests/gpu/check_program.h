#pragma once
// The program `check`: everything about a GPU in one command. With no command it runs every part in
// a process of its own and writes the report; the commands of tandem and tandem-loadtest are its
// own too, so that it needs neither beside it.

#include <vector>

#include "tests/gpu/check_item.h"

namespace tandem {

// Exit status 0: nothing failed; 1: something did; 2: there was nothing to check on.
int RunCheckProgram(int argc, char** argv, const std::vector<Part>& parts);

}  // namespace tandem
