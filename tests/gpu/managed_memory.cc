#include "tests/gpu/managed_memory.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "kernels/core/error.h"

namespace tandem {
namespace {

struct InUse {
  std::mutex mutex;
  std::map<void*, int64_t> sizes;
  int64_t bytes = 0;
};

InUse& TheMemory() {
  static auto* const memory = new InUse;  // outlives every static that holds some of it
  return *memory;
}

void* Allocate(int64_t size_bytes) {
  InUse& in_use = TheMemory();
  const std::lock_guard lock(in_use.mutex);
  size_t free = 0, total = 0;
  cudaError_t error = cudaMemGetInfo(&free, &total);
  const int64_t most = std::min(kMostManagedBytes, static_cast<int64_t>(free / 4));
  if (error == cudaSuccess && in_use.bytes + size_bytes > most) {
    throw DeviceError("cannot allocate " + std::to_string(size_bytes) +
                      " bytes of managed memory beside " + std::to_string(in_use.bytes) +
                      " in use; the most is " + std::to_string(most));
  }
  void* memory = nullptr;
  if (error == cudaSuccess) {
    error = cudaMallocManaged(&memory, static_cast<size_t>(size_bytes));
  }
  if (error != cudaSuccess) {
    cudaGetLastError();
    throw DeviceError("cannot allocate " + std::to_string(size_bytes) +
                      " bytes of managed memory: " + cudaGetErrorString(error));
  }
  std::memset(memory, 0, static_cast<size_t>(size_bytes));
  in_use.sizes[memory] = size_bytes;
  in_use.bytes += size_bytes;
  return memory;
}

void Release(void* memory) noexcept {
  InUse& in_use = TheMemory();
  const std::lock_guard lock(in_use.mutex);
  const auto found = in_use.sizes.find(memory);
  if (found == in_use.sizes.end()) return;
  in_use.bytes -= found->second;
  in_use.sizes.erase(found);
  cudaFree(memory);
}

}  // namespace

const HostMemory& ManagedMemory() {
  static constexpr HostMemory kMemory{.allocate = Allocate, .release = Release};
  return kMemory;
}

int64_t ManagedBytesInUse() {
  const std::lock_guard lock(TheMemory().mutex);
  return TheMemory().bytes;
}

void PrefetchManagedMemory(const Context& context) {
  const std::lock_guard lock(TheMemory().mutex);
  const cudaMemLocation place{cudaMemLocationTypeDevice, context.device.index};
  for (const auto& [memory, size_bytes] : TheMemory().sizes) {
    // A wish: without it pages come when they are touched.
    const cudaError_t error = cudaMemPrefetchAsync(memory, static_cast<size_t>(size_bytes), place,
                                                   0, static_cast<cudaStream_t>(context.stream));
    if (error != cudaSuccess) cudaGetLastError();
  }
}

}  // namespace tandem
