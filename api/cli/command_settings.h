#pragma once
// The commands of `tandem` share one environment: a variable that sets a knob of one of them is no
// error to the others.

#include "engine/base/settings.h"

namespace tandem {

// Lets the knobs of all commands pass as variables. Those of the table itself keep their meaning.
void IgnoreOtherCommands(Settings& settings);

}  // namespace tandem
