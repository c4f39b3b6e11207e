#pragma once
// What tests of single CUDA ops share: the CPU's context and one of a device, whose operands and
// scratch are nevertheless the host's memory, so that a test can look at them.

#include <gtest/gtest.h>

#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/support/ops/operands.h"

namespace tandem {

class OnCuda : public testing::Test {
 protected:
  OnCuda() { on_cuda_.context().device = kCuda; }

  CudaBackend backend_;
  OpContext on_cpu_;
  OpContext on_cuda_;
};

}  // namespace tandem
