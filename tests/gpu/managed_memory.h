#pragma once
// Memory that the host and a GPU both read and write, as a source of the CPU's buffers
// (kernels/core/buffer.h): a test makes operands as ever, runs the op on the device, and compares.
// Little of it, and never much of what the GPU has free: a GPU that runs out of managed memory may
// hang. Measurements take plain memory of the device instead. Any thread.

#include <cstdint>

#include "kernels/core/buffer.h"
#include "kernels/core/context.h"

namespace tandem {

// DeviceErrors from its `allocate` when kMostManagedBytes, or a quarter of what is free, would be
// exceeded. What it gave out may be touched by the host while no work of the device is under way.
const HostMemory& ManagedMemory();

inline constexpr int64_t kMostManagedBytes = int64_t{2} << 30;

int64_t ManagedBytesInUse();

// All that is in use goes to the context's device, ahead of what its stream does next.
void PrefetchManagedMemory(const Context& context);

}  // namespace tandem
