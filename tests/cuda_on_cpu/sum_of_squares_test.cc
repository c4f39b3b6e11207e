// SumOfSquares on CUDA has the CPU's bits, as the header says of every device.

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "kernels/optimizer.h"
#include "tests/cuda_on_cpu/on_cuda.h"

namespace tandem {
namespace {

using CudaSumOfSquares = OnCuda;

uint64_t Bits(double value) { return std::bit_cast<uint64_t>(value); }

TEST_F(CudaSumOfSquares, HasTheBitsOfTheCpu) {
  // Around a lane, a block, a warp's two blocks, a launch's eight, and the thousand that the last
  // step reads at once.
  for (const int64_t count : {0, 1, 15, 16, 17, 4095, 4096, 4097, 8193, 40000, 1025 * 4096 + 5}) {
    const Tensor x = NormalTensor({count}, 7);
    const double want = SumOfSquares(on_cpu_, x);
    for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
      cuda_on_cpu::SetSchedule(schedule);
      EXPECT_EQ(Bits(SumOfSquares(on_cuda_, x)), Bits(want)) << count << ", " << Describe(schedule);
      if (count > 100000) break;  // blocks do not meet: one schedule of many is enough
    }
  }
}

TEST_F(CudaSumOfSquares, IsNotFiniteWhenAnElementIsNot) {
  Tensor x = NormalTensor({5000}, 8);
  x.data<float>()[4500] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(SumOfSquares(on_cuda_, x), std::numeric_limits<double>::infinity());
  x.data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(SumOfSquares(on_cuda_, x)));
  x.data<float>()[3] = 1.0f;
  x.data<float>()[4500] = 3e19f;  // whose square is beyond f32
  EXPECT_EQ(SumOfSquares(on_cuda_, x), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace tandem
