// Functions of include/cuda_on_cpu_runtime.h.

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <mutex>
#include <set>

#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/page_locked.h"

namespace {

namespace fake = tandem::cuda_on_cpu;

using Recording = std::function<void()>;

struct Event {
  cudaStream_t stream = nullptr;
  uint64_t next_copy = 0;  // of the stream's copies when it was recorded
};

// Set by what cannot be recorded; the recording is lost then.
bool is_invalid = false;

cudaError_t Refuse() {
  is_invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t Failure() { return static_cast<cudaError_t>(fake::DeviceFailure()); }

// Now, or when what is recorded is replayed.
cudaError_t Do(std::function<void()> work) {
  if (fake::IsRecording()) {
    fake::Record(std::move(work));
  } else {
    work();
  }
  return Failure();
}

constexpr size_t kManagedAlignment = 256;
std::mutex managed_mutex;

std::set<void*>& ManagedMemories() {
  static auto* const memories = new std::set<void*>;  // outlives every static that holds some
  return *memories;
}

}  // namespace

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
  }
  return "unrecognized error code";
}

cudaError_t cudaGetLastError() { return Failure(); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int index) { return index == 0 ? cudaSuccess : cudaErrorInvalidValue; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name), "CUDA on the CPU");
  properties->major = 9;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = fake::DeviceBytes();
  *free = *total - fake::DeviceBytesInUse();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (fake::IsRecording()) return Refuse();
  *memory = fake::AllocateDevice(bytes);
  return *memory == nullptr ? cudaErrorMemoryAllocation : Failure();
}

cudaError_t cudaMallocManaged(void** memory, size_t bytes) {
  if (fake::IsRecording()) return cudaErrorStreamCaptureUnsupported;
  *memory =
      std::aligned_alloc(kManagedAlignment, (bytes / kManagedAlignment + 1) * kManagedAlignment);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  const std::lock_guard lock(managed_mutex);
  ManagedMemories().insert(*memory);
  return Failure();
}

cudaError_t cudaMemPrefetchAsync(const void* memory, size_t, cudaMemLocation, unsigned,
                                 cudaStream_t) {
  const std::lock_guard lock(managed_mutex);
  return ManagedMemories().contains(const_cast<void*>(memory)) ? Failure() : cudaErrorInvalidValue;
}

cudaError_t cudaFree(void* memory) {
  {
    const std::lock_guard lock(managed_mutex);
    if (ManagedMemories().erase(memory) > 0) {
      std::free(memory);
      return Failure();
    }
  }
  fake::ReleaseDevice(memory);
  return Failure();
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  if (fake::IsRecording()) return Refuse();
  *memory = fake::AllocatePageLocked(bytes);
  return *memory == nullptr ? cudaErrorMemoryAllocation : Failure();
}

cudaError_t cudaFreeHost(void* memory) {
  fake::ReleasePageLocked(memory);
  return Failure();
}

cudaError_t cudaDeviceSynchronize() {
  fake::FinishAllCopies();
  return fake::IsRecording() ? Refuse() : Failure();
}

cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  return cudaMemsetAsync(memory, value, bytes, nullptr);
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t) {
  return Do([=] {
    const fake::DeviceAccess access;
    std::memset(memory, value, bytes);
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  if (fake::IsRecording() && !(fake::IsDeviceMemory(to) && fake::IsDeviceMemory(from))) {
    return Refuse();
  }
  const bool is_awaited = fake::IsPageLocked(to) || fake::IsPageLocked(from);
  return Do([=] {
    const fake::DeviceAccess access;
    if (is_awaited) {
      fake::BeginCopy(stream, to, from, bytes);
    } else {
      std::memcpy(to, from, bytes);
    }
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new char;
  return Failure();
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete static_cast<char*>(stream);
  return Failure();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (fake::IsRecording()) return Refuse();
  fake::FinishCopies(stream, std::numeric_limits<uint64_t>::max());
  return Failure();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (Failure() != cudaSuccess) return Failure();
  *event = new Event;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete static_cast<Event*>(event);
  return Failure();
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (fake::IsRecording()) return Refuse();
  *static_cast<Event*>(event) = {.stream = stream, .next_copy = fake::NextCopy()};
  return Failure();
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (fake::IsRecording()) return Refuse();
  const auto& marked = *static_cast<const Event*>(event);
  fake::FinishCopies(marked.stream, marked.next_copy);
  return Failure();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr || fake::IsRecording()) return cudaErrorStreamCaptureUnsupported;
  if (Failure() != cudaSuccess) return Failure();
  is_invalid = false;
  fake::BeginRecording();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  if (!fake::IsRecording()) return cudaErrorInvalidValue;
  Recording recorded = fake::EndRecording();
  *graph = nullptr;
  if (is_invalid) return cudaErrorStreamCaptureInvalidated;
  if (Failure() != cudaSuccess) return Failure();
  *graph = new Recording(std::move(recorded));
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  if (Failure() != cudaSuccess) return Failure();
  *made = new Recording(*static_cast<Recording*>(graph));
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete static_cast<Recording*>(graph);
  return Failure();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  if (Failure() != cudaSuccess) return Failure();
  (*static_cast<Recording*>(graph))();
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete static_cast<Recording*>(graph);
  return Failure();
}
