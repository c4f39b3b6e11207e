// Which steps are launched, recorded and replayed, and when recordings are dropped. A step here is
// one addition, in memory of its own and of the workspace.

#include "engine/model/step_recordings.h"

#include <gtest/gtest.h>

#include "kernels/activation.h"
#include "kernels/core/error.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"

namespace tandem {
namespace {

class CudaStepRecordings : public testing::Test {
 protected:
  CudaStepRecordings() {
    Tensor ones(DType::kF32, {4});
    std::fill_n(ones.data<float>(), 4, 1.0f);
    Copy(cuda_, ones, one_);
    TakeScratch(1 << 20);  // as much as any step here needs
  }
  ~CudaStepRecordings() override { cuda_on_cpu::SetDeviceFailure(0); }

  void TakeScratch(int64_t bytes) {
    WorkspaceScope scope(cuda_.context().workspace);
    scope.Take<std::byte>(bytes);
  }
  // sum += 1, by way of the workspace.
  void Step() {
    ++num_launches_;
    WorkspaceScope scope(cuda_.context().workspace);
    const TensorView scratch = scope.TakeTensor(DType::kF32, {4});
    FillZero(cuda_, scratch);
    Add(cuda_, {.x = one_, .y = scratch});
    Add(cuda_, {.x = scratch, .y = sum_});
  }
  void Run(const StepShape& shape) {
    recordings_.Run(cuda_, shape, memory_, [this] { Step(); });
  }
  float Sum() {
    const HostCopy copy(cuda_, std::as_const(sum_).view());
    return copy.view().data<float>()[3];
  }

  CudaBackend backend_;
  CudaContext cuda_;
  Tensor one_{DType::kF32, {4}, kCuda};
  Tensor sum_{DType::kF32, {4}, kCuda};
  std::vector<const void*> memory_ = {sum_.view().bytes()};
  StepRecordings recordings_{2};
  int num_launches_ = 0;
};

TEST_F(CudaStepRecordings, AreMadeTheSecondTimeAndReplayedFromThenOn) {
  for (int i = 1; i <= 4; ++i) {
    Run({.num_tokens = 1, .max_pages = 1});
    EXPECT_EQ(Sum(), static_cast<float>(i));
  }
  EXPECT_EQ(num_launches_, 2);  // one of them into the recording
  EXPECT_EQ(recordings_.counts().held, 1);
  EXPECT_EQ(recordings_.counts().recorded, 1);
  EXPECT_EQ(recordings_.counts().replayed, 3);
}

TEST_F(CudaStepRecordings, AreOfOneShapeEach) {
  for (int i = 0; i < 2; ++i) {
    Run({.num_tokens = 1, .max_pages = 1});
    Run({.num_tokens = 1, .max_pages = 2});
  }
  EXPECT_EQ(recordings_.counts().recorded, 2);
  EXPECT_EQ(Sum(), 4.0f);
}

TEST_F(CudaStepRecordings, AreBoundedAndTheOneNotUsedForLongestGoes) {
  const StepShape a{1, 1}, b{2, 1}, c{4, 1};
  for (const StepShape& shape : {a, a, b, b, a, c, c}) Run(shape);
  EXPECT_EQ(recordings_.counts().held, 2);
  EXPECT_EQ(recordings_.counts().recorded, 3);
  Run(a);
  EXPECT_EQ(recordings_.counts().recorded, 3);
  Run(b);
  Run(b);
  EXPECT_EQ(recordings_.counts().recorded, 4);
  EXPECT_EQ(Sum(), 10.0f);
}

TEST_F(CudaStepRecordings, AreDroppedWhenTheWorkspaceGrows) {
  for (int i = 0; i < 3; ++i) Run({1, 1});
  TakeScratch(5 << 20);
  Run({1, 1});
  EXPECT_EQ(recordings_.counts().held, 0);
  EXPECT_EQ(recordings_.counts().dropped, 1);
  for (int i = 0; i < 2; ++i) Run({1, 1});
  EXPECT_EQ(recordings_.counts().recorded, 2);
  EXPECT_EQ(Sum(), 6.0f);
}

// Also when it is the step that makes it grow: what was launched then is no model of the next time.
TEST_F(CudaStepRecordings, AreNotMadeWhileTheWorkspaceGrows) {
  const auto step = [this] {
    Step();
    TakeScratch(5 << 20);
  };
  recordings_.Run(cuda_, {1, 1}, memory_, step);
  recordings_.Run(cuda_, {1, 1}, memory_, step);
  EXPECT_EQ(recordings_.counts().recorded, 0);
  recordings_.Run(cuda_, {1, 1}, memory_, step);
  EXPECT_EQ(recordings_.counts().recorded, 1);
  EXPECT_EQ(Sum(), 3.0f);
}

TEST_F(CudaStepRecordings, AreDroppedWhenTheirMemoryMoves) {
  for (int i = 0; i < 3; ++i) Run({1, 1});
  sum_ = Tensor(DType::kF32, {4}, kCuda);
  memory_ = {sum_.view().bytes()};
  Run({1, 1});
  EXPECT_EQ(recordings_.counts().dropped, 1);
  EXPECT_EQ(Sum(), 1.0f);
}

// What waits cannot be recorded; the step is done nevertheless, and no other is tried.
TEST_F(CudaStepRecordings, AreGivenUpWhenTheDeviceRefuses) {
  for (int i = 1; i <= 3; ++i) {
    recordings_.Run(cuda_, {1, 1}, memory_, [this] {
      Step();
      Synchronize(cuda_);
    });
    EXPECT_EQ(Sum(), static_cast<float>(i));
  }
  EXPECT_TRUE(recordings_.counts().is_refused);
  for (int i = 0; i < 3; ++i) Run({2, 1});
  EXPECT_EQ(recordings_.counts().recorded, 0);
  EXPECT_EQ(Sum(), 6.0f);
}

TEST_F(CudaStepRecordings, FailWithTheDeviceWhileTheyAreMade) {
  Run({1, 1});
  const auto step = [this] {
    Step();
    cuda_on_cpu::SetDeviceFailure(700);
  };
  EXPECT_THROW(recordings_.Run(cuda_, {1, 1}, memory_, step), DeviceError);
  EXPECT_EQ(recordings_.counts().held, 0);
}

TEST_F(CudaStepRecordings, FailWithTheDeviceWhenTheyAreReplayed) {
  for (int i = 0; i < 2; ++i) Run({1, 1});
  cuda_on_cpu::SetDeviceFailure(700);
  EXPECT_THROW(Run({1, 1}), DeviceError);
}

// What a step throws is the caller's, and the stream records no longer.
TEST_F(CudaStepRecordings, EndWithAnExceptionOfTheStep) {
  Run({1, 1});
  EXPECT_THROW(recordings_.Run(cuda_, {1, 1}, memory_, [] { throw InternalError("a bug"); }),
               InternalError);
  EXPECT_EQ(Sum(), 1.0f);
  Run({1, 1});
  EXPECT_EQ(Sum(), 2.0f);
  EXPECT_EQ(recordings_.counts().recorded, 1);
}

TEST(PaddedShape, HasFewSizesAndNoneAboveTheLargest) {
  const StepShape largest{.num_tokens = 20, .max_pages = 100};
  const auto padded = [&](int64_t tokens, int64_t pages) {
    return PaddedShape({.num_tokens = tokens, .max_pages = pages}, largest);
  };
  EXPECT_EQ(padded(1, 1), (StepShape{1, 32}));
  EXPECT_EQ(padded(3, 32), (StepShape{4, 32}));
  EXPECT_EQ(padded(7, 33), (StepShape{8, 64}));
  EXPECT_EQ(padded(9, 65), (StepShape{16, 100}));
  EXPECT_EQ(padded(17, 100), (StepShape{20, 100}));
  EXPECT_THROW(padded(21, 1), InternalError);
}

TEST(PaddedShape, HasSizesThatGrowWithTheBatch) {
  EXPECT_EQ(PaddedSizes(20), (std::vector<int64_t>{1, 2, 4, 8, 16, 20}));
  EXPECT_EQ(PaddedSizes(1), std::vector<int64_t>{1});
  const std::vector<int64_t> sizes = PaddedSizes(1024);
  EXPECT_EQ(sizes.size(), 43u);
  for (const int64_t size : {128, 144, 256, 288, 512, 576, 1024}) {
    EXPECT_TRUE(std::binary_search(sizes.begin(), sizes.end(), size)) << size;
  }
  for (int64_t count = 1; count <= 1024; ++count) {
    const StepShape shape = PaddedShape({count, 1}, {1024, 32});
    EXPECT_EQ(shape.num_tokens, *std::lower_bound(sizes.begin(), sizes.end(), count)) << count;
  }
}

}  // namespace
}  // namespace tandem
