#pragma once
// The devices of this machine by the names that options use. What a device is called stands here
// and below; folders above kernels/ pass it on.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernels/core/device.h"

namespace tandem {

// "auto", "cpu", "cuda" and "cuda:0", which is the same; also of those that are not here.
std::span<const std::string_view> DeviceNames();

// auto: the GPU where the program has a backend for it and the machine has one, otherwise the CPU.
// ConfigError for another name, DeviceError when the device is not there.
Device FindDevice(std::string_view name);

struct DeviceReport {
  std::string name;          // "NVIDIA H200", "CPU"
  std::string architecture;  // "sm_90"; of the CPU the best instruction set
  int64_t memory_bytes = 0;
  int64_t free_bytes = 0;  // now; of the machine's, what this process may still take
};

DeviceReport ReportOf(Device device);

}  // namespace tandem
