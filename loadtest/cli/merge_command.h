#pragma once
// `tandem-loadtest merge`.

#include "engine/base/command_line.h"

namespace tandem {

int MergeLoads(const CommandLine& line);

}  // namespace tandem
