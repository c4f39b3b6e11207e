// RmsNormBackward on CUDA beyond the op table: rows alone, dx in dy's place, the order of dweight.

#include <gtest/gtest.h>

#include "kernels/norm.h"
#include "tests/cuda_on_cpu/on_cuda.h"
#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

constexpr int64_t kRows = 150;
constexpr int64_t kWidth = 172;

class CudaRmsNormBackward : public OnCuda {
 protected:
  struct Gradients {
    Tensor dx, dweight;
  };
  // Of rows [first, first + count).
  Gradients Run(int64_t first, int64_t count, GradientOutput output = GradientOutput::kStore) {
    Gradients out{Tensor(DType::kF32, {count, kWidth}), Tensor(DType::kF32, {kWidth})};
    FillNormal(out.dx, 5);
    FillNormal(out.dweight, 6);
    RmsNormBackward(on_cuda_, {.x = x_.view().Rows(first, count),
                               .weight = weight_,
                               .dy = dy_.view().Rows(first, count),
                               .dx = out.dx,
                               .output = output,
                               .dweight = out.dweight});
    return out;
  }

  Tensor x_ = NormalTensor({kRows, kWidth}, 1, 3.0f);
  Tensor weight_ = NormalTensor({kWidth}, 2);
  Tensor dy_ = NormalTensor({kRows, kWidth}, 3);
};

TEST_F(CudaRmsNormBackward, ARowAloneIsTheRowInABatch) {
  const Gradients all = Run(0, kRows);
  for (const auto& [first, count] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {149, 1}, {63, 3}, {17, 70}}) {
    EXPECT_TRUE(SameBits(Run(first, count).dx, all.dx.view().Rows(first, count)))
        << "rows " << first << " + " << count;
  }
}

// Blocks of kGradientRows rows from zero, ascending; and a row adds one product to what it found.
TEST_F(CudaRmsNormBackward, SumsTheWeightsGradientInBlocksOfRows) {
  const Gradients all = Run(0, kRows);
  Tensor want(DType::kF32, {kWidth});
  for (int64_t first = 0; first < kRows; first += kGradientRows) {
    Tensor block(DType::kF32, {kWidth});
    for (int64_t row = first; row < std::min(first + kGradientRows, kRows); ++row) {
      const Gradients alone = Run(row, 1);
      for (int64_t i = 0; i < kWidth; ++i) {
        block.data<float>()[i] += alone.dweight.data<float>()[i];
      }
    }
    for (int64_t i = 0; i < kWidth; ++i) want.data<float>()[i] += block.data<float>()[i];
  }
  EXPECT_TRUE(SameBits(all.dweight, want));
}

TEST_F(CudaRmsNormBackward, MayStoreIntoDy) {
  const Gradients want = Run(0, kRows);
  Tensor dweight(DType::kF32, {kWidth});
  for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
    cuda_on_cpu::SetSchedule(schedule);
    Tensor both = dy_.Clone();
    RmsNormBackward(on_cuda_, {.x = x_,
                               .weight = weight_,
                               .dy = both,
                               .dx = both,
                               .output = GradientOutput::kStore,
                               .dweight = dweight});
    EXPECT_TRUE(SameBits(both, want.dx)) << Describe(schedule);
    EXPECT_TRUE(SameBits(dweight, want.dweight)) << Describe(schedule);
  }
}

TEST_F(CudaRmsNormBackward, AddsWhatItWouldStore) {
  const Gradients stored = Run(0, kRows);
  const Gradients added = Run(0, kRows, GradientOutput::kAdd);
  Tensor want = NormalTensor({kRows, kWidth}, 5);
  for (int64_t i = 0; i < kRows * kWidth; ++i) {
    want.data<float>()[i] += stored.dx.data<float>()[i];
  }
  EXPECT_TRUE(SameBits(added.dx, want));
  EXPECT_TRUE(SameBits(added.dweight, stored.dweight));
}

TEST_F(CudaRmsNormBackward, OfNoRowsIsZero) {
  const Gradients none = Run(0, 0);
  EXPECT_TRUE(SameBits(none.dweight, Tensor(DType::kF32, {kWidth})));
}

}  // namespace
}  // namespace tandem
