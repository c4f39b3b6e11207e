#pragma once
// The CUDA backend on the fake GPU, and a context with memory of its own, for tests.

#include "kernels/core/context.h"
#include "kernels/core/device_memory.h"
#include "kernels/cuda/ops.h"
#include "tests/cuda_on_cpu/emulator.h"

namespace tandem {

inline constexpr Device kCuda{DeviceKind::kCuda, 0};

// The backend is there for as long as this lives.
class CudaBackend {
 public:
  CudaBackend() {
    SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
    SetDeviceMemory(DeviceKind::kCuda, cuda::Memory());
  }
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;
  ~CudaBackend() {
    SetDeviceOps(DeviceKind::kCuda, {});
    SetDeviceMemory(DeviceKind::kCuda, {});
    cuda_on_cpu::SetSchedule({});
  }
};

// What ops on it take, with memory and a stream of its own.
class CudaContext {
 public:
  CudaContext()
      : workspace_(kCuda),
        stream_(kCuda),
        context_{
            .pool = pool_, .device = kCuda, .stream = stream_.handle(), .workspace = workspace_} {}
  operator Context&() { return context_; }  // NOLINT
  Context& context() { return context_; }

 private:
  ThreadPool pool_{1};
  Workspace workspace_;
  Stream stream_;
  Context context_;
};

}  // namespace tandem
