// What the op table does not show of the weights' gradient on CUDA: an element's bits depend on its
// columns and the tokens alone, whatever square a block does.

#include <gtest/gtest.h>

#include <cstring>

#include "kernels/cuda/ops.h"
#include "kernels/matmul.h"
#include "kernels/quantize.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

class CudaWeightGradient : public testing::Test {
 protected:
  CudaWeightGradient() {
    SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
    on_cuda_.context().device = {DeviceKind::kCuda, 0};
  }
  ~CudaWeightGradient() override {
    SetDeviceOps(DeviceKind::kCuda, {});
    cuda_on_cpu::SetSchedule({});
  }

  Tensor In(DType dtype, const Tensor& values) {
    Tensor converted(dtype, values.shape());
    Convert(on_cpu_, {.x = values, .y = converted});
    return converted;
  }

  Tensor Gradient(const Tensor& dy, const Tensor& x) {
    Tensor dw(DType::kF32, {dy.shape()[1], x.shape()[1]});
    MatmulWeightGradient(on_cuda_, {.dy = dy, .x = x, .dw = dw});
    return dw;
  }

  OpContext on_cpu_;
  OpContext on_cuda_;
};

// Columns [first, first + count) of x.
Tensor Columns(const Tensor& x, int64_t first, int64_t count) {
  Tensor columns(x.dtype(), {x.shape()[0], count});
  const int64_t element = SizeOf(x.dtype());
  for (int64_t row = 0; row < x.shape()[0]; ++row) {
    std::memcpy(columns.view().Rows(row, 1).bytes(),
                x.view().Rows(row, 1).bytes() + first * element,
                static_cast<size_t>(count * element));
  }
  return columns;
}

// 132 large squares, against few small ones at other places.
TEST_F(CudaWeightGradient, PartsHaveTheSameBitsAloneAndInALargerProduct) {
  constexpr int64_t kN = 1290, kK = 1416, kTokens = 45;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Tensor dy = In(dtype, NormalTensor({kTokens, kN}, 1));
    const Tensor x = In(dtype, NormalTensor({kTokens, kK}, 2));
    const Tensor whole = Gradient(dy, x);
    for (const auto& [row, column] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {1189, 1316}, {613, 511}}) {
      const Tensor part = Gradient(Columns(dy, row, 101), Columns(x, column, 100));
      for (int64_t i = 0; i < 101; ++i) {
        ASSERT_EQ(std::memcmp(part.data<float>() + i * 100,
                              whole.data<float>() + (row + i) * kK + column, 100 * sizeof(float)),
                  0)
            << Name(dtype) << " row " << row + i;
      }
    }
  }
}

// What lies beyond the tokens, as the rows of other experts do, is not read.
TEST_F(CudaWeightGradient, ReadsItsTokensOnly) {
  constexpr int64_t kTokens = 96, kFirst = 17, kCount = 37;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const int64_t width : {64, 72, 75}) {
      Tensor dy = In(dtype, NormalTensor({kTokens, width}, 1));
      Tensor x = In(dtype, NormalTensor({kTokens, width}, 2));
      const auto gradient = [&] {
        Tensor dw(DType::kF32, {width, width});
        MatmulWeightGradient(
            on_cuda_,
            {.dy = dy.view().Rows(kFirst, kCount), .x = x.view().Rows(kFirst, kCount), .dw = dw});
        return dw;
      };
      const Tensor want = gradient();
      for (Tensor* operand : {&dy, &x}) {
        for (const auto& [first, count] :
             std::vector<std::pair<int64_t, int64_t>>{{0, kFirst}, {kFirst + kCount, 42}}) {
          const TensorView others = operand->view().Rows(first, count);
          std::memset(others.bytes(), 0xff, static_cast<size_t>(others.size_bytes()));  // NaN
        }
      }
      const Tensor got = gradient();
      EXPECT_EQ(std::memcmp(got.view().bytes(), want.view().bytes(),
                            static_cast<size_t>(want.size_bytes())),
                0)
          << Name(dtype) << " width " << width;
    }
  }
}

}  // namespace
}  // namespace tandem
