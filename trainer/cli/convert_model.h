#pragma once
// The command `tandem-train convert` (`tandem convert`): import and export under one name, told
// apart by what is given.

#include "engine/base/command_line.h"

namespace tandem {

int ConvertModel(const CommandLine& line);

}  // namespace tandem
