// Memory of the host that copies read and write while the host goes on, and the tensors that are
// made of it.

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/core/staged_tensor.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/page_locked.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

class CudaStaging : public testing::Test {
 protected:
  CudaBackend backend_;
  CudaContext cuda_;
};

TEST_F(CudaStaging, IsZeroAtTheStartAndGivenBack) {
  const size_t before = cuda_on_cpu::PageLockedBytesInUse();
  {
    const Buffer buffer = StagingBuffer(kCuda, 1000);
    EXPECT_TRUE(cuda_on_cpu::IsPageLocked(buffer.data() + 999));
    EXPECT_FALSE(cuda_on_cpu::IsPageLocked(buffer.data() + 1000));
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + 1000,
                            [](std::byte byte) { return byte == std::byte{0}; }));
    EXPECT_EQ(cuda_on_cpu::PageLockedBytesInUse(), before + 1000);
  }
  EXPECT_EQ(cuda_on_cpu::PageLockedBytesInUse(), before);
}

TEST_F(CudaStaging, OfTheCpuIsItsOwn) {
  const Buffer buffer = StagingBuffer(kCpuDevice, 1000);
  EXPECT_FALSE(cuda_on_cpu::IsPageLocked(buffer.data()));
  EXPECT_EQ(buffer.data()[999], std::byte{0});
}

// The emulator's, not the engine's: a real device would copy some of both values.
TEST_F(CudaStaging, MayNotChangeWhileItIsCopied) {
  StagedTensor<int32_t> staged;
  staged.Reserve(cuda_, 4);
  staged.ToDevice(cuda_, 4);
  staged.host()[2] = 7;
  try {
    Synchronize(cuda_);
    FAIL();
  } catch (const cuda_on_cpu::Fault& fault) {
    EXPECT_NE(std::string(fault.what()).find("the host changed byte 8 of 16"), std::string::npos)
        << fault.what();
  }
  staged.ToDevice(cuda_, 4);
  Synchronize(cuda_);
}

TEST_F(CudaStaging, MayChangeAfterReserve) {
  StagedTensor<int32_t> staged;
  for (int32_t step = 1; step <= 3; ++step) {
    staged.Reserve(cuda_, 4);
    std::fill_n(staged.host(), 4, step);
    staged.ToDevice(cuda_, 4);
  }
  staged.Reserve(cuda_, 400);  // other memory
  Synchronize(cuda_);
}

// An event of another stream waits for nothing of this one.
TEST_F(CudaStaging, IsWaitedForInItsStream) {
  CudaContext other;
  StagedTensor<int32_t> staged;
  staged.Reserve(cuda_, 4);
  staged.ToDevice(cuda_, 4);
  Synchronize(other);
  staged.host()[0] = 1;
  EXPECT_THROW(Synchronize(cuda_), cuda_on_cpu::Fault);
}

TEST_F(CudaStaging, HasWhatCameBackWhenItWasWaitedFor) {
  StagedTensor<float> staged;
  staged.Reserve(cuda_, 4);
  std::fill_n(staged.host(), 4, 2.0f);
  staged.ToDevice(cuda_, 4);
  Add(cuda_, {.x = staged.view({4}), .y = staged.view({4})});
  Synchronize(cuda_);
  staged.ToHost(cuda_, 4);
  EXPECT_NE(staged.host()[3], 2.0f);
  EXPECT_NE(staged.host()[3], 4.0f);
  Synchronize(cuda_);
  EXPECT_EQ(staged.host()[3], 4.0f);
}

// What one step left is read while the next one's is under way. Were the host's memory one, the
// second copy would have begun to write over the first.
TEST_F(CudaStaging, HasWhatCameBackWhileTheNextIsUnderWay) {
  StagedTensor<float> staged;
  staged.Reserve(cuda_, 4);
  std::fill_n(staged.host(), 4, 1.0f);
  staged.ToDevice(cuda_, 4);
  const float* hosts[2] = {};
  Event events[2];
  for (int step = 0; step < 2; ++step) {
    staged.Reserve(cuda_, 4);
    Add(cuda_, {.x = staged.view({4}), .y = staged.view({4})});
    staged.ToHost(cuda_, 4);
    events[step].Mark(cuda_);
    hosts[step] = staged.host();
  }
  EXPECT_NE(hosts[0][3], 2.0f);
  events[0].Await();
  EXPECT_EQ(hosts[0][3], 2.0f);
  EXPECT_NE(hosts[1][3], 4.0f);
  events[1].Await();
  EXPECT_EQ(hosts[0][3], 2.0f);
  EXPECT_EQ(hosts[1][3], 4.0f);
}

// Reserve does not wait for the copy from the other memory, so that one may still not change.
TEST_F(CudaStaging, IsWrittenWhileTheLastIsCopied) {
  StagedTensor<int32_t> staged;
  staged.Reserve(cuda_, 4);
  staged.ToDevice(cuda_, 4);
  int32_t* const first = staged.host();
  staged.Reserve(cuda_, 4);
  EXPECT_NE(staged.host(), first);
  std::fill_n(staged.host(), 4, 7);
  staged.ToDevice(cuda_, 4);
  first[0] = 8;
  EXPECT_THROW(Synchronize(cuda_), cuda_on_cpu::Fault);
}

TEST_F(CudaStaging, KeepsTheOtherMemoryWhenItGrows) {
  StagedTensor<float> staged;
  staged.Reserve(cuda_, 4);
  std::fill_n(staged.host(), 4, 5.0f);
  staged.ToDevice(cuda_, 4);
  staged.ToHost(cuda_, 4);
  const float* const first = staged.host();
  staged.Reserve(cuda_, 400);
  std::fill_n(staged.host(), 400, 6.0f);
  staged.ToDevice(cuda_, 400);
  EXPECT_EQ(first[3], 5.0f);  // growing waits for all
  staged.Reserve(cuda_, 400);
  staged.ToHost(cuda_, 400);
  Synchronize(cuda_);
  EXPECT_EQ(staged.host()[399], 6.0f);
}

TEST_F(CudaStaging, IsOneMemoryOnTheCpu) {
  OpContext cpu;
  StagedTensor<float> staged;
  staged.Reserve(cpu, 4);
  float* const first = staged.host();
  staged.Reserve(cpu, 4);
  EXPECT_EQ(staged.host(), first);
  EXPECT_EQ(staged.data(), first);
}

TEST_F(CudaStaging, TensorsKeepWhatTheyHaveWhenTheyCannotGrow) {
  StagedTensor<float> staged;
  staged.Reserve(cuda_, 4);
  staged.host()[3] = 5.0f;
  EXPECT_THROW(staged.Reserve(cuda_, int64_t{1} << 40), DeviceError);
  staged.ToDevice(cuda_, 4);
  EXPECT_THROW(staged.ToDevice(cuda_, 5), InternalError);
  Synchronize(cuda_);
  EXPECT_EQ(staged.host()[3], 5.0f);
}

}  // namespace
}  // namespace tandem
