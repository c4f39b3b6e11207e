#pragma once
// The host's memory in the place of a device's, as the emulator has it.

#include <cstdlib>
#include <cstring>

#include "kernels/core/device_memory.h"

namespace tandem {

inline DeviceMemoryFunctions HostMemoryFunctions() {
  return {
      .num_devices = [] { return 1; },
      .allocate =
          [](int, int64_t size_bytes) {
            constexpr size_t kAlignment = 256;
            const size_t rounded =
                (static_cast<size_t>(size_bytes) + kAlignment - 1) / kAlignment * kAlignment;
            void* memory = std::aligned_alloc(kAlignment, rounded);
            std::memset(memory, 0, rounded);
            return memory;
          },
      .release = [](int, void* memory) noexcept { std::free(memory); },
      .copy = [](const Context&, void* to, const void* from,
                 int64_t size_bytes) { std::memcpy(to, from, static_cast<size_t>(size_bytes)); },
      .fill_zero =
          [](const Context&, void* memory, int64_t size_bytes) {
            std::memset(memory, 0, static_cast<size_t>(size_bytes));
          },
      .synchronize = [](const Context&) {},
      .free_bytes = [](int) { return int64_t{1} << 30; },
  };
}

}  // namespace tandem
