#pragma once
// The knob that says where a model runs, the same in every command.

#include <string>

#include "engine/base/settings.h"

namespace tandem {

// --device auto|cpu|cuda|..., a name for FindDevice (kernels/core/devices.h).
void AddDeviceSetting(Settings& settings, std::string* value, Knob knob);

}  // namespace tandem
