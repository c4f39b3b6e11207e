// Memory, streams, events and recordings of the CUDA backend: thin calls of the runtime library,
// whose errors become DeviceErrors that say what was asked for.

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "kernels/core/error.h"
#include "kernels/cuda/ops.h"

namespace tandem::cuda {
namespace {

cudaStream_t StreamOf(const Context& context) { return static_cast<cudaStream_t>(context.stream); }

void Check(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return;
  throw DeviceError("CUDA: " + what + ": " + cudaGetErrorString(error));
}

int NumDevices() {
  int count = 0;
  // Without a driver or a device there are none; why is nobody's concern who does not ask for one.
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // forgets it
    return 0;
  }
  return count;
}

// For the calls that follow, which do not say where.
void UseDevice(int index) { Check(cudaSetDevice(index), "using device " + std::to_string(index)); }

void* Allocate(int index, int64_t size_bytes) {
  UseDevice(index);
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, static_cast<size_t>(size_bytes));
  if (error != cudaSuccess) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw DeviceError("cannot allocate " + std::to_string(size_bytes >> 20) +
                      " MiB on the GPU, which has " + std::to_string(free >> 20) + " of " +
                      std::to_string(total >> 20) + " MiB free (" + cudaGetErrorString(error) +
                      "); use less (--gpu-memory-utilization, --max-num-batched-tokens) or end "
                      "what else runs there (nvidia-smi)");
  }
  Check(cudaMemset(memory, 0, static_cast<size_t>(size_bytes)), "zeroing memory");
  Check(cudaStreamSynchronize(nullptr), "zeroing memory");  // other streams do not wait for it
  return memory;
}

void Release(int, void* memory) noexcept { cudaFree(memory); }

void* AllocateStaging(int64_t size_bytes) {
  void* memory = nullptr;
  const cudaError_t error =
      cudaHostAlloc(&memory, static_cast<size_t>(size_bytes), cudaHostAllocDefault);
  if (error != cudaSuccess) {
    cudaGetLastError();
    throw DeviceError("cannot allocate " + std::to_string(size_bytes) +
                      " bytes of the host's memory for copies to and from the GPU (" +
                      cudaGetErrorString(error) + ")");
  }
  std::memset(memory, 0, static_cast<size_t>(size_bytes));
  return memory;
}

void ReleaseStaging(void* memory) noexcept {
  cudaDeviceSynchronize();  // copies under way
  cudaFreeHost(memory);
}

void CopyBytes(const Context& context, void* to, const void* from, int64_t size_bytes) {
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(size_bytes), cudaMemcpyDefault,
                        StreamOf(context)),
        "copying " + std::to_string(size_bytes) + " bytes");
}

void FillZeroBytes(const Context& context, void* memory, int64_t size_bytes) {
  Check(cudaMemsetAsync(memory, 0, static_cast<size_t>(size_bytes), StreamOf(context)),
        "zeroing memory");
}

void AwaitStream(const Context& context) {
  Check(cudaStreamSynchronize(StreamOf(context)), "work on the GPU failed");
}

bool IsIdle(const Context& context) {
  const cudaError_t state = cudaStreamQuery(StreamOf(context));
  if (state == cudaErrorNotReady) return false;
  Check(state, "work on the GPU failed");
  return true;
}

DeviceReport Report(int index) {
  cudaDeviceProp properties{};
  Check(cudaGetDeviceProperties(&properties, index), "asking what the device is");
  size_t free = 0, total = 0;
  UseDevice(index);
  Check(cudaMemGetInfo(&free, &total), "asking how much memory is free");
  return {
      .name = properties.name,
      .architecture = "sm_" + std::to_string(properties.major) + std::to_string(properties.minor),
      .memory_bytes = static_cast<int64_t>(total),
      .free_bytes = static_cast<int64_t>(free)};
}

void* CreateStream(int index) {
  UseDevice(index);
  cudaStream_t stream = nullptr;
  Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
  return stream;
}

void DestroyStream(int, void* stream) noexcept {
  cudaStreamDestroy(static_cast<cudaStream_t>(stream));
}

void* CreateEvent(int index) {
  UseDevice(index);
  cudaEvent_t event = nullptr;
  Check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "creating an event");
  return event;
}

void DestroyEvent(void* event) noexcept { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }

void MarkEvent(const Context& context, void* event) {
  Check(cudaEventRecord(static_cast<cudaEvent_t>(event), StreamOf(context)), "marking an event");
}

void AwaitEvent(void* event) {
  Check(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "work on the GPU failed");
}

void BeginRecording(const Context& context) {
  Check(cudaStreamBeginCapture(StreamOf(context), cudaStreamCaptureModeThreadLocal),
        "recording a graph");
}

void* EndRecording(const Context& context) {
  cudaGraph_t graph = nullptr;
  Check(cudaStreamEndCapture(StreamOf(context), &graph), "recording a graph");
  cudaGraphExec_t made = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&made, graph, 0);
  cudaGraphDestroy(graph);
  Check(error, "making a graph of what was recorded");
  return made;
}

void Replay(const Context& context, void* recording) {
  Check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), StreamOf(context)),
        "launching a graph");
}

void DestroyRecording(void* recording) noexcept {
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording));
}

}  // namespace

DeviceMemoryFunctions Memory() {
  return {.num_devices = NumDevices,
          .allocate = Allocate,
          .release = Release,
          .staging = {.allocate = AllocateStaging, .release = ReleaseStaging},
          .copy = CopyBytes,
          .fill_zero = FillZeroBytes,
          .synchronize = AwaitStream,
          .is_idle = IsIdle,
          .report = Report,
          .create_stream = CreateStream,
          .destroy_stream = DestroyStream,
          .create_event = CreateEvent,
          .destroy_event = DestroyEvent,
          .mark_event = MarkEvent,
          .await_event = AwaitEvent,
          .begin_recording = BeginRecording,
          .end_recording = EndRecording,
          .replay = Replay,
          .destroy_recording = DestroyRecording};
}

}  // namespace tandem::cuda
