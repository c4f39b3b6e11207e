#pragma once
// Memory of devices beside the CPU, and copies between it and the host's. A backend gives in its
// functions when the program starts (or a test does), beside its ops (kernels/device_ops.h).

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

// What a backend does. Streams are those of Context::stream; null is the device's default one.
// Failures are DeviceErrors.
struct DeviceMemoryFunctions {
  int (*num_devices)() = nullptr;
  void* (*allocate)(int index, int64_t size_bytes) = nullptr;  // 256-byte aligned, zero-filled
  void (*release)(int index, void* memory) noexcept = nullptr;
  // Between any two memories, one of which is the device's; in the order of the stream. What is
  // copied from the host may be changed once it returns.
  void (*copy)(const Context& context, void* to, const void* from, int64_t size_bytes) = nullptr;
  void (*fill_zero)(const Context& context, void* memory, int64_t size_bytes) = nullptr;
  // Waits for all work of the stream; what went wrong in it is thrown here.
  void (*synchronize)(const Context& context) = nullptr;
  // The same without waiting: whether all work of the stream is done.
  bool (*is_idle)(const Context& context) = nullptr;
  int64_t (*free_bytes)(int index) = nullptr;
};

// For all devices of that kind from here on. Not while one holds memory.
void SetDeviceMemory(DeviceKind kind, const DeviceMemoryFunctions& functions);

// DeviceError when the program has no such backend, or the device is not there.
const DeviceMemoryFunctions& DeviceMemoryOf(Device device);

// `from` into `to`, of the same shape and dtype: on the host, or between it and context.device, in
// the order of its stream. A copy to the host is there after Synchronize.
void Copy(Context& context, ConstTensorView from, TensorView to);

// Zeros, in the order of the context's stream.
void FillZero(Context& context, TensorView x);

// All work of the context's stream is done and has succeeded. At once on the CPU.
void Synchronize(Context& context);

}  // namespace tandem
