// Kernels with the mistakes that people make. Each is caught: by a Fault that says where, or by
// results that differ between schedules.

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <vector>

#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/guarded_memory.h"
#include "tests/cuda_on_cpu/schedules.h"

namespace tandem {
namespace {

using cuda::Launch;
using cuda_on_cpu::Fault;
using cuda_on_cpu::GuardedMemory;

class SeededDefects : public testing::Test {
 protected:
  ~SeededDefects() override { cuda_on_cpu::SetSchedule({}); }

  // What the Fault of each schedule says; empty where there is none.
  static std::vector<std::string> Faults(const std::function<void()>& launch) {
    std::vector<std::string> faults;
    for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
      cuda_on_cpu::SetSchedule(schedule);
      try {
        launch();
        faults.emplace_back();
      } catch (const Fault& fault) {
        faults.emplace_back(fault.what());
      }
    }
    return faults;
  }

  static void ExpectFaults(const std::function<void()>& launch, const char* kernel,
                           const char* what) {
    for (const std::string& fault : Faults(launch)) {
      EXPECT_NE(fault.find(what), std::string::npos) << fault;
      EXPECT_TRUE(fault.starts_with(std::string("kernel ") + kernel + ", block (")) << fault;
      EXPECT_NE(fault.find(", thread ("), std::string::npos) << fault;
    }
  }

  // Whether `run` gives other bits in some schedule than in the first.
  static bool Differs(const std::function<std::vector<float>()>& run) {
    std::optional<std::vector<float>> first;
    for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
      cuda_on_cpu::SetSchedule(schedule);
      const std::vector<float> now = run();
      if (!first) first = now;
      if (std::memcmp(first->data(), now.data(), now.size() * sizeof(float)) != 0) return true;
    }
    return false;
  }
};

struct Line {
  alignas(16) float values[64];
};

template <bool kWithBarrier>
__global__ void ReadNeighbour(const float* in, float* out) {
  auto& line = cuda::StaticShared<Line>();
  line.values[threadIdx.x] = in[threadIdx.x];
  if constexpr (kWithBarrier) __syncthreads();
  out[threadIdx.x] = line.values[(threadIdx.x + 1) % 64];
}

template <bool kWithBarrier>
std::vector<float> Neighbours() {
  std::vector<float> in(64), out(64);
  for (size_t i = 0; i < 64; ++i) in[i] = static_cast<float>(i);
  Launch("read_neighbour", {1, 64}, nullptr, ReadNeighbour<kWithBarrier>, in.data(), out.data());
  return out;
}

TEST_F(SeededDefects, AMissingBarrierChangesTheResult) {
  EXPECT_TRUE(Differs(Neighbours<false>));
  EXPECT_FALSE(Differs(Neighbours<true>));
}

template <bool kWithWait>
__global__ void CopyThrough(const float* in, float* out) {
  auto& line = cuda::StaticShared<Line>();
  if (threadIdx.x < 16) cuda::CopyAsync16(line.values + 4 * threadIdx.x, in + 4 * threadIdx.x);
  cuda::CommitCopies();
  if constexpr (kWithWait) cuda::AwaitCopies<0>();
  __syncthreads();
  out[threadIdx.x] = line.values[threadIdx.x];
  cuda::AwaitCopies<0>();
}

template <bool kWithWait>
std::vector<float> Copied() {
  alignas(16) static float in[64];
  for (int i = 0; i < 64; ++i) in[i] = static_cast<float>(i);
  std::vector<float> out(64);
  Launch("copy_through", {1, 64}, nullptr, CopyThrough<kWithWait>, in, out.data());
  return out;
}

TEST_F(SeededDefects, AMissingWaitReadsPoison) {
  EXPECT_TRUE(Differs(Copied<false>));
  EXPECT_FALSE(Differs(Copied<true>));
  const std::vector<float> whole = Copied<true>();
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(whole[i], static_cast<float>(i));
}

__global__ void NeverWait(const float* in) {
  auto& line = cuda::StaticShared<Line>();
  cuda::CopyAsync16(line.values, in);
  cuda::CommitCopies();
}

TEST_F(SeededDefects, CopiesThatNobodyWaitsForAreAFault) {
  alignas(16) static float in[4] = {};
  ExpectFaults(
      [&] {
        Launch("never_wait", {1, 32}, nullptr, NeverWait, in);
      },
      "never_wait", "asynchronous copies that it never waited for");
}

// Pages of four values; the table says where each page of the sequence lies.
__global__ void SumPages(const float* pages, const int* table, int num_pages, float* out) {
  float sum = 0.0f;
  for (int page = 0; page <= num_pages; ++page) {  // one too many
    sum += pages[4 * table[page] + static_cast<int>(threadIdx.x) % 4];
  }
  out[threadIdx.x] = sum;
}

TEST_F(SeededDefects, AnOffByOnePageIsAFault) {
  GuardedMemory table(4 * sizeof(int));
  GuardedMemory pages(4 * 4 * sizeof(float));
  std::vector<float> out(32);
  ExpectFaults(
      [&] {
        Launch("sum_pages", {1, 32}, nullptr, SumPages,
               reinterpret_cast<const float*>(pages.data()),
               reinterpret_cast<const int*>(table.data()), 4, out.data());
      },
      "sum_pages", "which is not memory that it may use");
}

__global__ void WriteFar(float* out) { out[blockIdx.x * 64 + threadIdx.x] = 1.0f; }

TEST_F(SeededDefects, AWriteBeyondGlobalMemoryNamesBlockAndThread) {
  GuardedMemory out(100 * sizeof(float));
  cuda_on_cpu::SetSchedule({});
  try {
    Launch("write_far", {3, 64}, nullptr, WriteFar, reinterpret_cast<float*>(out.data()));
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_TRUE(std::string(fault.what())
                    .starts_with("kernel write_far, block (1,0,0), thread (36,0,0): touches "))
        << fault.what();
  }
  // The next launch knows nothing of it.
  Launch("write_far", {1, 64}, nullptr, WriteFar, reinterpret_cast<float*>(out.data()));
  EXPECT_EQ(reinterpret_cast<float*>(out.data())[63], 1.0f);
}

__global__ void WriteBeyondShared(int count) {
  auto* shared = reinterpret_cast<float*>(cuda::DynamicShared());
  for (int i = 0; i <= count; ++i) shared[i] = 0.0f;  // one too many
}

TEST_F(SeededDefects, AWriteBeyondSharedMemoryIsAFault) {
  ExpectFaults(
      [] {
        Launch("beyond", {1, 32, 64 * sizeof(float)}, nullptr, WriteBeyondShared, 64);
      },
      "beyond", "which is not memory that it may use");
}

__global__ void HalfAtABarrier(int* out) {
  if (threadIdx.x < 32) __syncthreads();
  out[threadIdx.x] = 1;
}

TEST_F(SeededDefects, ABarrierThatNotAllReachIsAFault) {
  std::vector<int> out(64);
  ExpectFaults(
      [&] {
        Launch("half", {1, 64}, nullptr, HalfAtABarrier, out.data());
      },
      "half", "has ended");
}

__global__ void TwoBarriers(int* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}

TEST_F(SeededDefects, TwoBarriersAtOnceAreAFault) {
  std::vector<int> out(64);
  ExpectFaults(
      [&] {
        Launch("two", {1, 64}, nullptr, TwoBarriers, out.data());
      },
      "two", "is at the barrier at seeded_defects_test.cc:");
}

__global__ void LanesMissing(int* out) {
  if (threadIdx.x != 7) out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}

__global__ void LanesElsewhere(int* out) {
  if (threadIdx.x % 2 == 0) {
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
  } else {
    out[threadIdx.x] = static_cast<int>(__ballot_sync(0xffffffffu, 1));
  }
}

__global__ void PartialMask(int* out) { out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1, 1); }

TEST_F(SeededDefects, AWarpOperationWithoutAllLanesIsAFault) {
  std::vector<int> out(32);
  ExpectFaults(
      [&] {
        Launch("missing", {1, 32}, nullptr, LanesMissing, out.data());
      },
      "missing", "has ended");
  ExpectFaults(
      [&] {
        Launch("elsewhere", {1, 32}, nullptr, LanesElsewhere, out.data());
      },
      "elsewhere", "while other lanes are at");
  ExpectFaults(
      [&] {
        Launch("partial", {1, 32}, nullptr, PartialMask, out.data());
      },
      "partial", "is not for all lanes");
}

// ---- Launches that overlap ----

template <bool kWithWait>
__global__ void AwaitWithHalf(int* out) {
  if (threadIdx.x >= 32) return;  // half of them
  if constexpr (kWithWait) cuda::AwaitPrevious();
  out[threadIdx.x] = 1;
}

__global__ void AwaitWithAll(int* out) {
  cuda::AwaitPrevious();
  cuda::LetNextStart();
  if (threadIdx.x < 32) out[threadIdx.x] = 1;
}

__global__ void LetNextStartTooSoon() {
  cuda::LetNextStart();
  cuda::AwaitPrevious();
}

constexpr cuda::LaunchShape kWaitsInside{.grid = 2, .block = 64, .waits_inside = true};

TEST_F(SeededDefects, AThreadThatEndsWithoutWaitingForTheKernelBeforeIsAFault) {
  std::vector<int> out(32);
  const char* const what = "ends without AwaitPrevious, in a launch that waits inside";
  ExpectFaults([&] { Launch("half", kWaitsInside, nullptr, AwaitWithHalf<true>, out.data()); },
               "half", what);
  ExpectFaults([&] { Launch("none", kWaitsInside, nullptr, AwaitWithHalf<false>, out.data()); },
               "none", what);
  for (const std::string& fault : Faults([&] {
         Launch("all", kWaitsInside, nullptr, AwaitWithAll, out.data());
         // What waits for nothing may wait, or not.
         Launch("all", {2, 64}, nullptr, AwaitWithAll, out.data());
         Launch("half", {2, 64}, nullptr, AwaitWithHalf<false>, out.data());
       })) {
    EXPECT_EQ(fault, "");
  }
}

TEST_F(SeededDefects, LettingTheNextKernelStartTooSoonIsAFault) {
  ExpectFaults([] { Launch("soon", kWaitsInside, nullptr, LetNextStartTooSoon); }, "soon",
               "calls LetNextStart before AwaitPrevious");
}

__global__ void ReadThenAwait(const int* in, int* out) {
  const int value = in[threadIdx.x];
  cuda::AwaitPrevious();
  out[threadIdx.x] = value;
}

__global__ void AwaitThenRead(const int* in, int* out) {
  cuda::AwaitPrevious();
  out[threadIdx.x] = in[threadIdx.x];
}

TEST_F(SeededDefects, AReadBeforeTheKernelBeforeHasEndedIsAFault) {
  auto* const memory = static_cast<int*>(cuda_on_cpu::AllocateDevice(128 * sizeof(int)));
  const auto launch = [&](void (*kernel)(const int*, int*)) {
    return [=] { Launch("reads", kWaitsInside, nullptr, kernel, memory, memory + 64); };
  };
  ExpectFaults(launch(ReadThenAwait), "reads", "which is not memory that it may use");
  for (const std::string& fault : Faults(launch(AwaitThenRead))) EXPECT_EQ(fault, "");
  cuda_on_cpu::ReleaseDevice(memory);
}

__global__ void Nothing() {}

TEST_F(SeededDefects, ImpossibleLaunchesAreFaults) {
  EXPECT_THROW(Launch("nothing", {1, 1025}, nullptr, Nothing), Fault);
  EXPECT_THROW(Launch("nothing", {1, {0, 1, 1}}, nullptr, Nothing), Fault);
  EXPECT_THROW(Launch("nothing", {{0, 1, 1}, 32}, nullptr, Nothing), Fault);
  EXPECT_THROW(Launch("nothing", {{1, 65536, 1}, 32}, nullptr, Nothing), Fault);
  EXPECT_THROW(Launch("nothing", {1, 32, 228 << 10}, nullptr, Nothing), Fault);
}

}  // namespace
}  // namespace tandem
