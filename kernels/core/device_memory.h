#pragma once
// Memory and streams of devices beside the CPU, and copies between their memory and the host's. A
// backend gives in its functions when the program starts (or a test does), beside its ops
// (kernels/device_ops.h).

#include <cstdint>
#include <utility>

#include "kernels/core/context.h"
#include "kernels/core/devices.h"
#include "kernels/core/tensor.h"

namespace tandem {

// What a backend does. Failures are DeviceErrors.
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
  DeviceReport (*report)(int index) = nullptr;
  // An order of work of its own, for Context::stream; null there is the device's default one, in
  // which nothing can be recorded.
  void* (*create_stream)(int index) = nullptr;
  void (*destroy_stream)(int index, void* stream) noexcept = nullptr;
  // Between the two, what goes to the stream is recorded and not done.
  void (*begin_recording)(const Context& context) = nullptr;
  void* (*end_recording)(const Context& context) = nullptr;
  void (*replay)(const Context& context, void* recording) = nullptr;
  void (*destroy_recording)(void* recording) noexcept = nullptr;
};

// For all devices of that kind from here on. Not while one holds memory.
void SetDeviceMemory(DeviceKind kind, const DeviceMemoryFunctions& functions);

// DeviceError when the program has no such backend.
const DeviceMemoryFunctions& DeviceMemoryOf(Device device);

// How many this process sees; 0 without a backend.
int NumDevices(DeviceKind kind);

// DeviceError when the device is not there, or is not the one that a process may use.
void CheckDevice(Device device);

// The order of a device's work that is not the default one; nothing on the CPU. Move-only.
class Stream {
 public:
  Stream() = default;
  explicit Stream(Device device);
  Stream(Stream&& other) noexcept
      : device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();
  void* handle() const { return handle_; }  // for Context::stream

 private:
  Device device_;
  void* handle_ = nullptr;
};

// `from` into `to`, of the same shape and dtype: on the host, or between it and context.device, in
// the order of its stream. A copy to the host is there after Synchronize.
void Copy(Context& context, ConstTensorView from, TensorView to);

// What a view holds, in the host's memory: the view itself where it is there, else a copy, which is
// complete once this is made (it waits for the context's stream).
class HostCopy {
 public:
  HostCopy(Context& context, ConstTensorView view);
  ConstTensorView view() const { return view_; }

 private:
  Tensor copy_;
  ConstTensorView view_;
};

// Zeros, in the order of the context's stream.
void FillZero(Context& context, TensorView x);

// All work of the context's stream is done and has succeeded. At once on the CPU.
void Synchronize(Context& context);

}  // namespace tandem
