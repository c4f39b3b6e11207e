#pragma once
// What tests of single CUDA ops share: the CPU's context and one of a device, whose ops are those
// of kernels/cuda and whose memory is the host's.

#include <gtest/gtest.h>

#include "kernels/cuda/ops.h"
#include "tests/cuda_on_cpu/host_memory.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/support/ops/operands.h"

namespace tandem {

class OnCuda : public testing::Test {
 protected:
  OnCuda() {
    SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
    SetDeviceMemory(DeviceKind::kCuda, HostMemoryFunctions());
    on_cuda_.context().device = {DeviceKind::kCuda, 0};
  }
  ~OnCuda() override {
    SetDeviceOps(DeviceKind::kCuda, {});
    SetDeviceMemory(DeviceKind::kCuda, {});
    cuda_on_cpu::SetSchedule({});
  }

  OpContext on_cpu_;
  OpContext on_cuda_;
};

}  // namespace tandem
