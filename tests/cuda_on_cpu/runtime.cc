// Functions of include/cuda_on_cpu_runtime.h.

#include <cuda_runtime.h>

#include <cstdio>
#include <functional>

#include "tests/cuda_on_cpu/device_memory.h"

namespace {

namespace fake = tandem::cuda_on_cpu;

using Recording = std::function<void()>;

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
  }
  return "unrecognized error code";
}

cudaError_t cudaGetLastError() { return Failure(); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

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
  if (fake::IsRecording()) return cudaErrorStreamCaptureUnsupported;
  *memory = fake::AllocateDevice(bytes);
  return *memory == nullptr ? cudaErrorMemoryAllocation : Failure();
}

cudaError_t cudaFree(void* memory) {
  fake::ReleaseDevice(memory);
  return Failure();
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
                            cudaStream_t) {
  if (fake::IsRecording() && !(fake::IsDeviceMemory(to) && fake::IsDeviceMemory(from))) {
    return cudaErrorStreamCaptureUnsupported;
  }
  return Do([=] {
    const fake::DeviceAccess access;
    std::memcpy(to, from, bytes);
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

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return fake::IsRecording() ? cudaErrorStreamCaptureUnsupported : Failure();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr || fake::IsRecording()) return cudaErrorStreamCaptureUnsupported;
  fake::BeginRecording();
  return Failure();
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  if (!fake::IsRecording()) return cudaErrorInvalidValue;
  *graph = new Recording(fake::EndRecording());
  return Failure();
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new Recording(*static_cast<Recording*>(graph));
  return Failure();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete static_cast<Recording*>(graph);
  return Failure();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  (*static_cast<Recording*>(graph))();
  return Failure();
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete static_cast<Recording*>(graph);
  return Failure();
}
