// DropOut on CUDA has the CPU's bits: whole, in place, from any element on, in every dtype.

#include <gtest/gtest.h>

#include "kernels/dropout.h"
#include "kernels/quantize.h"
#include "tests/cuda_on_cpu/on_cuda.h"
#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

class CudaDropOut : public OnCuda {
 protected:
  DropoutMask mask_{{.share = 0.4, .seed = 9, .step = 2}, DropoutPlace::kAttentionOutput, 1};
};

TEST_F(CudaDropOut, HasTheBitsOfTheCpu) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const DropoutOutput output : {DropoutOutput::kStore, DropoutOutput::kAdd}) {
      if (dtype == DType::kBf16 && output == DropoutOutput::kAdd) continue;
      for (const int64_t count : {1, 3, 4, 5, 255, 1024, 1027}) {
        // Most of them are where no word of four may begin.
        for (const int64_t skipped : {0, 1, 2, 4}) {
          Tensor x(dtype, {count + 4}), want(dtype, {count + 4});
          Convert(on_cpu_, {.x = NormalTensor({count + 4}, 3), .y = x});
          Convert(on_cpu_, {.x = NormalTensor({count + 4}, 4), .y = want});
          Tensor got = want.Clone();
          DropOut(on_cpu_, {.x = x.view().Rows(skipped, count),
                            .mask = mask_,
                            .y = want.view().Rows(skipped, count),
                            .output = output});
          DropOut(on_cuda_, {.x = x.view().Rows(skipped, count),
                             .mask = mask_,
                             .y = got.view().Rows(skipped, count),
                             .output = output});
          EXPECT_TRUE(SameBits(got, want))
              << Name(dtype) << " " << count << " elements from " << skipped;
          DropOut(on_cpu_, {.x = want, .mask = mask_, .y = want});
          DropOut(on_cuda_, {.x = got, .mask = mask_, .y = got});
          EXPECT_TRUE(SameBits(got, want)) << "in place: " << Name(dtype) << " " << count;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tandem
