// AttentionInputs on CUDA: the bits of the ops that it replaces, which stay for others to use.

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/cuda_on_cpu/on_cuda.h"
#include "tests/support/ops/attention_inputs_parts.h"

namespace tandem {
namespace {

using CudaAttentionInputs = OnCuda;

TEST_F(CudaAttentionInputs, HasTheBitsOfItsParts) {
  size_t turn = 0;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const AttentionShape& shape : AttentionInputsShapes(dtype)) {
      for (const bool with_norm : {false, true}) {
        cuda_on_cpu::SetSchedule(AllSchedules()[turn++ % AllSchedules().size()]);
        AttentionInputsBesideParts ops(shape, with_norm);
        EXPECT_TRUE(ops.Fused(on_cuda_) == ops.InParts(on_cuda_))
            << shape.Label() << " " << Name(dtype) << (with_norm ? " normed" : "");
      }
    }
  }
}

}  // namespace
}  // namespace tandem
