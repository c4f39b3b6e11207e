#pragma once
// `tandem-loadtest report`.

#include "engine/base/command_line.h"

namespace tandem {

int ReportLoad(const CommandLine& line);

}  // namespace tandem
