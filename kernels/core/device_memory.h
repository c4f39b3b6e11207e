#pragma once
// Memory, streams, events and recordings of devices beside the CPU, and copies between their memory
// and the host's. A backend gives in its functions when the program starts (or a test does), beside
// its ops (kernels/device_ops.h).

#include <cstdint>
#include <functional>
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
  // Of the host's memory, what copies read and write while the host goes on. Released when none
  // that is under way does so any more.
  HostMemory staging;
  // Between any two memories, one of which is the device's; in the order of the stream. What is
  // copied from the host may be changed once it returns, but in memory of `staging` only when the
  // stream has done it: an event marked after it, or Synchronize.
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
  // A point in a stream's work, where the event was last marked; the host can wait for it.
  void* (*create_event)(int index) = nullptr;
  void (*destroy_event)(void* event) noexcept = nullptr;
  void (*mark_event)(const Context& context, void* event) = nullptr;
  void (*await_event)(void* event) = nullptr;
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

// DeviceError when the device is not there. Which one a model may have, FindDevice decides.
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

// How far a stream's work was when the event was last marked, for the host to wait for; nothing on
// the CPU. Move-only.
class Event {
 public:
  Event() = default;
  Event(Event&& other) noexcept
      : device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}
  Event& operator=(Event&& other) noexcept;
  ~Event();
  // After all that the context's stream was given.
  void Mark(const Context& context);
  // At once when it was never marked. What went wrong before it may be thrown here.
  void Await() const;

 private:
  Device device_;
  void* handle_ = nullptr;  // made by the first Mark
};

// Whether what the context's stream is given can be recorded: neither on the CPU nor in a device's
// default stream.
bool CanRecord(const Context& context);

// Work that a stream was given once and does again as a whole, in the same memory; empty at first.
// Move-only.
class Recording {
 public:
  Recording() = default;
  // What `work` gives the context's stream, which does not do it now. `work` neither allocates nor
  // waits nor copies from or to the host: that is a DeviceError.
  Recording(Context& context, const std::function<void()>& work);
  Recording(Recording&& other) noexcept
      : device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}
  Recording& operator=(Recording&& other) noexcept;
  ~Recording();
  bool empty() const { return handle_ == nullptr; }
  // In the order of the context's stream.
  void Replay(Context& context) const;

 private:
  Device device_;
  void* handle_ = nullptr;
};

// Memory of the host that copies between it and `device` read and write while the host goes on; on
// the CPU like any other.
Buffer StagingBuffer(Device device, int64_t size_bytes);

// `from` into `to`, of the same shape and dtype: on the host, or between it and context.device, in
// the order of its stream. A copy to the host is there after Synchronize; for one from a
// StagingBuffer see DeviceMemoryFunctions::copy.
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
