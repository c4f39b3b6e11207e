// Memory, streams and recordings of the CUDA backend (kernels/cuda/memory.cc), over the fake GPU.

#include "tests/cuda_on_cpu/device_memory.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/activation.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/core/staged_tensor.h"
#include "tests/cuda_on_cpu/cuda_backend.h"

namespace tandem {
namespace {

class CudaMemory : public testing::Test {
 protected:
  Tensor OnDevice(const Tensor& host) {
    Tensor copy(host.dtype(), host.shape(), kCuda);
    Copy(cuda_, host, copy);
    return copy;
  }
  Tensor OnHost(const Tensor& device) {
    Tensor copy(device.dtype(), device.shape());
    Copy(cuda_, device, copy);
    Synchronize(cuda_);
    return copy;
  }
  static Tensor Counting(int64_t count) {
    Tensor tensor(DType::kF32, {count});
    std::iota(tensor.data<float>(), tensor.data<float>() + count, 1.0f);
    return tensor;
  }

  CudaBackend backend_;
  CudaContext cuda_;
};

TEST_F(CudaMemory, IsZeroAtTheStartAndKeepsWhatIsCopied) {
  const Tensor zeros = OnHost(Tensor(DType::kF32, {1000}, kCuda));
  EXPECT_EQ(zeros.data<float>()[0], 0.0f);
  EXPECT_EQ(zeros.data<float>()[999], 0.0f);
  const Tensor there = OnDevice(Counting(1000));
  Tensor twice(DType::kF32, {1000}, kCuda);
  Copy(cuda_, there, twice);
  const Tensor back = OnHost(twice);
  EXPECT_EQ(back.data<float>()[0], 1.0f);
  EXPECT_EQ(back.data<float>()[999], 1000.0f);
}

TEST_F(CudaMemory, IsGivenBack) {
  const size_t before = cuda_on_cpu::DeviceBytesInUse();
  {
    const Tensor tensor(DType::kF32, {100}, kCuda);
    EXPECT_EQ(cuda_on_cpu::DeviceBytesInUse(), before + 400);
  }
  EXPECT_EQ(cuda_on_cpu::DeviceBytesInUse(), before);
}

TEST_F(CudaMemory, FillZeroReachesTheDevice) {
  Tensor there = OnDevice(Counting(10));
  FillZero(cuda_, there);
  EXPECT_EQ(OnHost(there).data<float>()[9], 0.0f);
}

TEST_F(CudaMemory, IsRefusedByNameAndSizeWhenThereIsNoMore) {
  cuda_on_cpu::SetDeviceBytes(size_t{64} << 20);
  try {
    const Buffer buffer(kCuda, int64_t{65} << 20);
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what())
                  .find("cannot allocate 65 MiB on the GPU, which has 64 of "
                        "64 MiB free"),
              std::string::npos)
        << error.what();
  }
  cuda_on_cpu::SetDeviceBytes(size_t{8} << 30);
}

TEST_F(CudaMemory, OfADeviceThatIsNotThereIsRefused) {
  try {
    const Buffer buffer({DeviceKind::kCuda, 1}, 16);
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("there is no CUDA device 1 here"), std::string::npos)
        << error.what();
  }
}

TEST_F(CudaMemory, WithoutABackendSaysHowToGetIt) {
  SetDeviceMemory(DeviceKind::kCuda, {});
  try {
    const Buffer buffer(kCuda, 16);
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("built without CUDA"), std::string::npos);
  }
  SetDeviceMemory(DeviceKind::kCuda, cuda::Memory());
}

using CudaMemoryDeath = CudaMemory;

TEST_F(CudaMemoryDeath, CannotBeTouchedByTheHost) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  Tensor there(DType::kF32, {100}, kCuda);
  EXPECT_DEATH(there.data<float>()[3] = 1.0f,
               "host code touches device memory: byte 12 of an allocation of 400");
}

TEST_F(CudaMemory, StagedTensorsGoBothWays) {
  StagedTensor<float> staged;
  staged.Reserve(cuda_, 8);
  std::fill_n(staged.host(), 8, 2.0f);
  staged.ToDevice(cuda_, 8);
  const TensorView there = staged.view({8});
  EXPECT_EQ(there.device(), kCuda);
  Add(cuda_, {.x = there, .y = there});
  EXPECT_EQ(staged.host()[7], 2.0f);
  staged.ToHost(cuda_, 8);
  Synchronize(cuda_);
  EXPECT_EQ(staged.host()[7], 4.0f);
}

TEST_F(CudaMemory, WorkspacesGiveTheDevicesMemory) {
  WorkspaceScope scope(cuda_.context().workspace);
  const TensorView piece = scope.TakeTensor(DType::kF32, {5});
  EXPECT_EQ(piece.device(), kCuda);
  EXPECT_TRUE(cuda_on_cpu::IsDeviceMemory(piece.bytes()));
}

TEST_F(CudaMemory, ReportsTheDevice) {
  const DeviceReport report = DeviceMemoryOf(kCuda).report(0);
  EXPECT_EQ(report.name, "CUDA on the CPU");
  EXPECT_EQ(report.architecture, "sm_90");
  EXPECT_EQ(report.memory_bytes, int64_t{8} << 30);
  EXPECT_LE(report.free_bytes, report.memory_bytes);
}

TEST_F(CudaMemory, FailuresOfTheDeviceShowAtTheNextSynchronisation) {
  cuda_on_cpu::SetDeviceFailure(700);
  try {
    Synchronize(cuda_);
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("illegal memory access"), std::string::npos);
  }
  cuda_on_cpu::SetDeviceFailure(0);
  Synchronize(cuda_);
}

// What is recorded is not done, and is done at every replay.
TEST_F(CudaMemory, RecordingsAreDoneWhenTheyAreReplayed) {
  const Tensor one = OnDevice(Counting(4));
  Tensor sum(DType::kF32, {4}, kCuda);
  const Recording recording(cuda_, [&] { Add(cuda_, {.x = one, .y = sum}); });
  EXPECT_EQ(OnHost(sum).data<float>()[3], 0.0f);
  recording.Replay(cuda_);
  recording.Replay(cuda_);
  EXPECT_EQ(OnHost(sum).data<float>()[3], 8.0f);
}

TEST_F(CudaMemory, OfADefaultStreamOrTheCpuIsNotRecorded) {
  EXPECT_TRUE(CanRecord(cuda_));
  cuda_.context().stream = nullptr;
  EXPECT_FALSE(CanRecord(cuda_));
  EXPECT_THROW(Recording(cuda_, [] {}), InternalError);
  ThreadPool pool(1);
  Workspace workspace;
  EXPECT_FALSE(CanRecord({.pool = pool, .workspace = workspace}));
}

TEST_F(CudaMemory, RecordingsTakeNoCopiesFromTheHost) {
  const Tensor host = Counting(4);
  Tensor there(DType::kF32, {4}, kCuda);
  const DeviceMemoryFunctions& functions = DeviceMemoryOf(kCuda);
  functions.begin_recording(cuda_);
  EXPECT_THROW(Copy(cuda_, host, there), DeviceError);
  EXPECT_THROW(Synchronize(cuda_), DeviceError);
  EXPECT_THROW(Buffer(kCuda, 16), DeviceError);
  EXPECT_THROW(functions.end_recording(cuda_), DeviceError);  // it is lost
  Synchronize(cuda_);
}

TEST_F(CudaMemory, EventsAreWaitedForWhereTheyWereMarked) {
  Event event;
  event.Await();  // marked nowhere
  event.Mark(cuda_);
  event.Await();
  Event moved = std::move(event);
  cuda_on_cpu::SetDeviceFailure(700);
  EXPECT_THROW(moved.Await(), DeviceError);
  event.Await();
  cuda_on_cpu::SetDeviceFailure(0);
}

}  // namespace
}  // namespace tandem
