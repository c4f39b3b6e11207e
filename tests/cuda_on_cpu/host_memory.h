#pragma once
// The emulated device's memory, which is the host's: what ops copy with while kernels run here.

#include <cstdlib>
#include <cstring>

#include "kernels/core/device_memory.h"

namespace tandem {

inline DeviceMemoryFunctions HostMemoryFunctions() {
  return {
      .num_devices = [] { return 1; },
      .allocate = [](int, int64_t size_bytes) -> void* {
        const auto rounded = static_cast<size_t>((size_bytes + 255) / 256 * 256);
        return std::memset(std::aligned_alloc(256, rounded), 0, rounded);
      },
      .release = [](int, void* memory) noexcept { std::free(memory); },
      .copy = [](const Context&, void* to, const void* from,
                 int64_t size_bytes) { std::memcpy(to, from, static_cast<size_t>(size_bytes)); },
      .fill_zero =
          [](const Context&, void* memory, int64_t size_bytes) {
            std::memset(memory, 0, static_cast<size_t>(size_bytes));
          },
      .synchronize = [](const Context&) {},
      .free_bytes = [](int) { return int64_t{1} << 30; }};
}

}  // namespace tandem
