#include "engine/base/device_setting.h"

#include <utility>
#include <vector>

#include "kernels/core/devices.h"

namespace tandem {

void AddDeviceSetting(Settings& settings, std::string* value, Knob knob) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (const std::string_view name : DeviceNames()) choices.emplace_back(name, name);
  settings.AddChoice("device", value, std::move(choices), std::move(knob));
}

}  // namespace tandem
