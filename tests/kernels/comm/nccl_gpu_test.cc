// NCCL itself, on the GPUs of this machine.

#include <cuda_runtime.h>

#include "kernels/comm/nccl_communicator.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/cuda/ops.h"
#include "kernels/device_ops.h"
#include "tests/kernels/comm/ranks.h"
#include "tests/kernels/comm/values.h"

namespace tandem {
namespace {

void Check(cudaError_t error) {
  if (error != cudaSuccess) throw DeviceError(cudaGetErrorString(error));
}

int NumGpus() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

template <typename T>
class OnGpu {
 public:
  OnGpu(const Context& context, const std::vector<T>& values)
      : device_(context.device), size_(static_cast<int64_t>(values.size())) {
    Check(cudaMalloc(&memory_, values.size() * sizeof(T)));
    Check(cudaMemcpy(memory_, values.data(), values.size() * sizeof(T), cudaMemcpyDefault));
  }
  ~OnGpu() { cudaFree(memory_); }
  OnGpu(const OnGpu&) = delete;
  OnGpu& operator=(const OnGpu&) = delete;

  TensorView view() const {
    return {static_cast<std::byte*>(memory_), kDTypeOf<T>, Shape{size_}, device_};
  }
  std::vector<T> Read() const {
    std::vector<T> values(static_cast<size_t>(size_));
    Check(cudaMemcpy(values.data(), memory_, values.size() * sizeof(T), cudaMemcpyDefault));
    return values;
  }

 private:
  Device device_;
  int64_t size_;
  void* memory_ = nullptr;
};

template <typename T>
void ExpectSum(Rank& rank, int64_t size) {
  const OnGpu<T> x(rank.context, Values<T>(rank->rank(), size));
  rank->AllReduceSum(rank.context, x.view());
  EXPECT_TRUE(SameBits(x.Read(), TreeSums<T>(0, rank->num_ranks(), size))) << size;
}

TEST(NcclOnGpus, SumsHaveTheBitsOfTheTree) {
  const int num_gpus = NumGpus();
  if (num_gpus < 1) GTEST_SKIP() << "SKIPPED: no GPU here";
  if (num_gpus < 2) {
    std::fprintf(stderr, "SKIPPED in part: one GPU here, so NCCL connects one rank to nobody\n");
  }
  SetDeviceMemory(DeviceKind::kCuda, cuda::Memory());
  SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
  RunRanks({RanksAre::kThreads, std::min(num_gpus, 8)}, [](Rank& rank) {
    Check(cudaSetDevice(rank->rank()));
    cudaStream_t stream = nullptr;
    Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    Workspace workspace({DeviceKind::kCuda, rank->rank()});
    Context context{.pool = rank.context.pool,
                    .device = {DeviceKind::kCuda, rank->rank()},
                    .stream = stream,
                    .workspace = workspace};
    Rank on_gpu{std::move(rank.communicator), context};
    AddNccl(context, *on_gpu);
    const OnGpu<int32_t> x(context, Values<int32_t>(on_gpu->rank(), 1009));
    on_gpu->Broadcast(context, x.view(), 0);
    EXPECT_EQ(x.Read(), Values<int32_t>(0, 1009));
    for (const int64_t size : {1, 1009, 300'007}) {
      ExpectSum<float>(on_gpu, size);
      ExpectSum<BFloat16>(on_gpu, size);
    }
    on_gpu.communicator.reset();
    Check(cudaStreamDestroy(stream));
  });
}

}  // namespace
}  // namespace tandem
