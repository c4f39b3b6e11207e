#pragma once
// `tandem-loadtest compare`.

#include "engine/base/command_line.h"

namespace tandem {

int CompareLoads(const CommandLine& line);

}  // namespace tandem
