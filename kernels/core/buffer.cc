#include "kernels/core/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "kernels/core/check.h"
#include "kernels/core/device_memory.h"

namespace tandem {
namespace {

// From here on an allocation is its own mapping: zero pages for free, returned to the system at
// once.
constexpr int64_t kMappedFrom = 1 << 20;
constexpr int64_t kAlignment = 64;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

const HostMemory* host_memory = nullptr;

}  // namespace

void SetHostMemory(const HostMemory* memory) { host_memory = memory; }

Buffer::Buffer(Device device, int64_t size_bytes) : size_bytes_(size_bytes), device_(device) {
  CHECK(size_bytes >= 0, size_bytes);
  if (size_bytes == 0) return;
  if (device.kind != DeviceKind::kCpu) {
    CheckDevice(device);
    data_ = static_cast<std::byte*>(DeviceMemoryOf(device).allocate(device.index, size_bytes));
    return;
  }
  if (host_memory != nullptr) {
    *this = Buffer(*host_memory, size_bytes);
    return;
  }
  if (size_bytes >= kMappedFrom) {
    void* mapped = mmap(nullptr, static_cast<size_t>(size_bytes), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
      throw DeviceError("cannot map " + std::to_string(size_bytes) +
                        " bytes of memory: " + std::strerror(errno));
    }
    madvise(mapped, static_cast<size_t>(size_bytes),
            MADV_HUGEPAGE);  // a wish: refusal costs speed only
    data_ = static_cast<std::byte*>(mapped);
    return;
  }
  const auto rounded = static_cast<size_t>(RoundUp(size_bytes, kAlignment));
  data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (data_ == nullptr) {
    throw DeviceError("cannot allocate " + std::to_string(size_bytes) + " bytes of memory");
  }
  std::memset(data_, 0, rounded);
}

Buffer::Buffer(const HostMemory& source, int64_t size_bytes)
    : size_bytes_(size_bytes), source_(&source) {
  CHECK(size_bytes >= 0, size_bytes);
  if (size_bytes > 0) data_ = static_cast<std::byte*>(source.allocate(size_bytes));
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)),
      device_(other.device_),
      source_(other.source_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    Release();
    data_ = std::exchange(other.data_, nullptr);
    size_bytes_ = std::exchange(other.size_bytes_, 0);
    device_ = other.device_;
    source_ = other.source_;
  }
  return *this;
}

Buffer::~Buffer() { Release(); }

void Buffer::Release() noexcept {
  if (data_ == nullptr) return;
  if (device_.kind != DeviceKind::kCpu) {
    DeviceMemoryOf(device_).release(device_.index, data_);
  } else if (source_ != nullptr) {
    source_->release(data_);
  } else if (size_bytes_ >= kMappedFrom) {
    munmap(data_, static_cast<size_t>(size_bytes_));
  } else {
    std::free(data_);
  }
  data_ = nullptr;
}

}  // namespace tandem
