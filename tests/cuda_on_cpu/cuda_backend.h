#pragma once
// The CUDA backend on the fake GPU, and a context with memory of its own, for tests.

#include "kernels/core/device_memory.h"
#include "kernels/cuda/ops.h"
#include "tests/cuda_on_cpu/emulator.h"
#include "tests/support/device_context.h"

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

class CudaContext : public DeviceContext {
 public:
  CudaContext() : DeviceContext(kCuda) {}
};

}  // namespace tandem
