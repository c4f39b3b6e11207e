#pragma once
// Buffer owns one allocation on one device: 64-byte aligned, zero-filled, move-only. On the CPU
// large buffers are page-aligned anonymous memory (untouched pages cost nothing; huge pages are
// asked for), or comes from where SetHostMemory says; memory of another device is its backend's
// (kernels/core/device_memory.h). The only place in the tree that allocates device memory. Throws
// DeviceError when there is none.

#include <cstddef>
#include <cstdint>

#include "kernels/core/device.h"

namespace tandem {

// A source of the CPU's memory that is not the process's own: what a device reads too, say.
struct HostMemory {
  void* (*allocate)(int64_t size_bytes) = nullptr;  // 64-byte aligned, zero-filled
  void (*release)(void* memory) noexcept = nullptr;
};

// Of every CPU buffer made from here on; null: the process's own again. `memory` outlives what came
// from it. For tests and benchmarks, not while other threads make buffers.
void SetHostMemory(const HostMemory* memory);

class Buffer {
 public:
  Buffer() = default;
  Buffer(Device device, int64_t size_bytes);
  // Of the CPU's memory, from there. `source` outlives this.
  Buffer(const HostMemory& source, int64_t size_bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  int64_t size_bytes() const { return size_bytes_; }
  Device device() const { return device_; }
  bool empty() const { return size_bytes_ == 0; }

 private:
  void Release() noexcept;

  std::byte* data_ = nullptr;
  int64_t size_bytes_ = 0;
  Device device_;
  const HostMemory* source_ = nullptr;  // of the CPU's memory; null: the process's own
};

}  // namespace tandem
