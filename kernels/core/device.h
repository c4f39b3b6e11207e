#pragma once
// Where memory lives and ops run.

#include <cstdint>

namespace tandem {

enum class DeviceKind : uint8_t { kCpu, kCuda };

struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  int index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

inline constexpr Device kCpuDevice{};

}  // namespace tandem
