// The emulator itself: what CUDA and PTX promise, on kernels of a few lines.

#include "tests/cuda_on_cpu/emulator.h"

#include <cuda_on_cpu_ptx.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "kernels/cuda/primitives/launch.cuh"
#include "kernels/cuda/primitives/numbers.cuh"
#include "kernels/cuda/primitives/ptx.cuh"
#include "kernels/cuda/primitives/warp.cuh"
#include "tests/cuda_on_cpu/guarded_memory.h"
#include "tests/cuda_on_cpu/schedules.h"

namespace tandem {
namespace {

using cuda::Launch;

class Emulator : public testing::Test {
 protected:
  ~Emulator() override { cuda_on_cpu::SetSchedule({}); }

  // In each schedule.
  template <typename Body>
  void InAllSchedules(const Body& body) {
    for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
      SCOPED_TRACE(Describe(schedule));
      cuda_on_cpu::SetSchedule(schedule);
      body();
    }
  }
};

__global__ void WriteIndices(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * static_cast<unsigned>(blockDim.count()) + thread] += 1 + static_cast<int>(thread);
}

TEST_F(Emulator, RunsEveryThreadOfEveryBlockOnce) {
  InAllSchedules([] {
    std::vector<int> out(2 * 3 * 2 * 5 * 7 * 2);
    Launch("write_indices", {{2, 3, 2}, {5, 7, 2}}, nullptr, WriteIndices, out.data());
    for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], 1 + static_cast<int>(i % 70));
  });
}

struct Exchange {
  int values[96];
};

__global__ void Reverse(int* values) {
  auto& shared = cuda::StaticShared<Exchange>();
  shared.values[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = shared.values[95 - threadIdx.x];
}

TEST_F(Emulator, BarriersSeparateWritesFromReads) {
  InAllSchedules([] {
    std::vector<int> values(96);
    std::iota(values.begin(), values.end(), 0);
    Launch("reverse", {1, 96}, nullptr, Reverse, values.data());
    for (int i = 0; i < 96; ++i) ASSERT_EQ(values[static_cast<size_t>(i)], 95 - i);
  });
}

__global__ void Votes(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = __syncthreads_count(i % 3 == 0);
  out[64 + i] = __syncthreads_or(i == 63);
  out[128 + i] = __syncthreads_and(i < 63);
  out[192 + i] = static_cast<int>(__ballot_sync(0xffffffffu, i % 32 == 5 || i == 40));
  out[256 + i] = __any_sync(0xffffffffu, i == 3);
  out[320 + i] = __all_sync(0xffffffffu, i != 3);
  out[384 + i] = static_cast<int>(__match_any_sync(0xffffffffu, i < 40 ? i % 3 : -1));
}

TEST_F(Emulator, CountsVotes) {
  InAllSchedules([] {
    std::vector<int> out(448);
    Launch("votes", {1, 64}, nullptr, Votes, out.data());
    for (size_t i = 0; i < 64; ++i) {
      ASSERT_EQ(out[i], 22);
      ASSERT_EQ(out[64 + i], 1);
      ASSERT_EQ(out[128 + i], 0);
      ASSERT_EQ(out[192 + i], i < 32 ? 1 << 5 : 1 << 5 | 1 << 8);
      ASSERT_EQ(out[256 + i], i < 32 ? 1 : 0);
      ASSERT_EQ(out[320 + i], i < 32 ? 0 : 1);
      const unsigned thirds = 0x49249249u;  // bits 0, 3, ...
      const unsigned same = i < 32   ? thirds << i % 3
                            : i < 40 ? (thirds << (i + 1) % 3 & 0xffu)
                                     : 0xffffff00u;
      ASSERT_EQ(static_cast<unsigned>(out[384 + i]), same) << i;
    }
  });
}

__global__ void Shuffles(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = __shfl_xor_sync(0xffffffffu, i, 5);
  out[32 + i] = __shfl_sync(0xffffffffu, i, 7);
  out[64 + i] = __shfl_up_sync(0xffffffffu, i, 3);
  out[96 + i] = __shfl_down_sync(0xffffffffu, i, 3, 8);
  out[128 + i] = static_cast<int>(__reduce_add_sync(0xffffffffu, static_cast<unsigned>(i)));
  out[160 + i] = __shfl_sync(0xffffffffu, i, 2, 8);
}

TEST_F(Emulator, ShufflesLanes) {
  InAllSchedules([] {
    std::vector<int> out(192);
    Launch("shuffles", {1, 32}, nullptr, Shuffles, out.data());
    for (int i = 0; i < 32; ++i) {
      const int* at = out.data() + i;
      ASSERT_EQ(at[0], i ^ 5);
      ASSERT_EQ(at[32], 7);
      ASSERT_EQ(at[64], i < 3 ? i : i - 3);
      ASSERT_EQ(at[96], i % 8 < 5 ? i + 3 : i);
      ASSERT_EQ(at[128], 496);
      ASSERT_EQ(at[160], i / 8 * 8 + 2);
    }
  });
}

__global__ void BlockSums(const float* in, float* out) {
  auto& scratch = cuda::StaticShared<cuda::BlockScratch<128>>();
  const float sum = cuda::BlockSum(in[threadIdx.x], scratch);
  __syncthreads();
  const float largest = cuda::BlockMax(in[threadIdx.x], scratch);
  out[threadIdx.x] = sum;
  out[128 + threadIdx.x] = largest;
}

TEST_F(Emulator, ReducesBlocks) {
  InAllSchedules([] {
    std::vector<float> in(128), out(256);
    for (size_t i = 0; i < 128; ++i) in[i] = static_cast<float>(i * 37 % 128);
    Launch("block_sums", {1, 128}, nullptr, BlockSums, in.data(), out.data());
    for (size_t i = 0; i < 128; ++i) {
      ASSERT_EQ(out[i], 127.0f * 64.0f);
      ASSERT_EQ(out[128 + i], 127.0f);
    }
    in[77] = std::nanf("");
    Launch("block_sums", {1, 128}, nullptr, BlockSums, in.data(), out.data());
    for (size_t i = 0; i < 256; ++i) ASSERT_TRUE(std::isnan(out[i]));
  });
}

struct Tile {
  alignas(16) uint16_t elements[32][8];
};

template <bool kTransposed>
__global__ void LoadFragments(uint32_t* out) {
  auto& tile = cuda::StaticShared<Tile>();
  for (int j = 0; j < 8; ++j) {
    tile.elements[threadIdx.x][j] =
        static_cast<uint16_t>(threadIdx.x * 8 + static_cast<unsigned>(j));
  }
  __syncthreads();
  uint32_t fragments[4];
  if constexpr (kTransposed) {
    cuda::LoadMatrix4Transposed(fragments, tile.elements[threadIdx.x]);
  } else {
    cuda::LoadMatrix4(fragments, tile.elements[threadIdx.x]);
  }
  for (unsigned i = 0; i < 4; ++i) out[4 * threadIdx.x + i] = fragments[i];
}

// As the PTX manual draws it.
TEST_F(Emulator, LoadsMatricesAsFragments) {
  InAllSchedules([] {
    std::vector<uint32_t> plain(128), transposed(128);
    Launch("load", {1, 32}, nullptr, LoadFragments<false>, plain.data());
    Launch("load", {1, 32}, nullptr, LoadFragments<true>, transposed.data());
    for (uint32_t lane = 0; lane < 32; ++lane) {
      for (uint32_t matrix = 0; matrix < 4; ++matrix) {
        const uint32_t row = lane / 4, column = lane % 4 * 2;
        const auto element = [&](uint32_t r, uint32_t c) { return (8 * matrix + r) * 8 + c; };
        ASSERT_EQ(plain[4 * lane + matrix], element(row, column) | element(row, column + 1) << 16);
        ASSERT_EQ(transposed[4 * lane + matrix], element(column, row) | element(column + 1, row)
                                                                            << 16);
      }
    }
  });
}

// D = A B + C with A and B whole, each lane filling its fragments from the manual's formulas: row
// and column of element i of a register.
template <typename Elements, typename T, typename Sum, int kDepth>
__global__ void MultiplyTiles(const T* a, const T* b, Sum* d) {
  const int lane = static_cast<int>(threadIdx.x);
  const int group = lane / 4, thread = lane % 4;
  constexpr int kPer = 4 / sizeof(T);
  uint32_t fa[4] = {}, fb[2] = {};
  for (int i = 0; i < 4 * kPer; ++i) {
    const int row = group + (i / kPer % 2 == 1 ? 8 : 0);
    const int k = thread * kPer + i % kPer + (i >= 2 * kPer ? 4 * kPer : 0);
    std::memcpy(reinterpret_cast<T*>(fa) + i, &a[row * kDepth + k], sizeof(T));
  }
  for (int i = 0; i < 2 * kPer; ++i) {
    const int k = thread * kPer + i % kPer + (i >= kPer ? 4 * kPer : 0);
    std::memcpy(reinterpret_cast<T*>(fb) + i, &b[k * 8 + group], sizeof(T));
  }
  Sum fd[4];
  for (int i = 0; i < 4; ++i) fd[i] = d[(group + i / 2 * 8) * 8 + thread * 2 + i % 2];
  cuda::MultiplyAdd(Elements(), fd, fa, fb);
  for (int i = 0; i < 4; ++i) d[(group + i / 2 * 8) * 8 + thread * 2 + i % 2] = fd[i];
}

template <typename Elements, typename T, typename Sum, int kDepth, typename Make>
void CheckProduct(const Make& make) {
  std::vector<T> a(16 * kDepth), b(kDepth * 8);
  std::vector<double> wide_a(a.size()), wide_b(b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const int value = static_cast<int>(i * 29 % 61) - 30;
    a[i] = make(value);
    wide_a[i] = value;
  }
  for (size_t i = 0; i < b.size(); ++i) {
    const int value = static_cast<int>(i * 43 % 53) - 26;
    b[i] = make(value);
    wide_b[i] = value;
  }
  std::vector<Sum> d(16 * 8);
  for (size_t i = 0; i < d.size(); ++i) d[i] = static_cast<Sum>(i);
  Launch("multiply", {1, 32}, nullptr, MultiplyTiles<Elements, T, Sum, kDepth>, a.data(), b.data(),
         d.data());
  for (size_t row = 0; row < 16; ++row) {
    for (size_t column = 0; column < 8; ++column) {
      double sum = static_cast<double>(row * 8 + column);
      for (size_t k = 0; k < kDepth; ++k) sum += wide_a[row * kDepth + k] * wide_b[k * 8 + column];
      ASSERT_EQ(static_cast<double>(d[row * 8 + column]), sum) << row << ", " << column;
    }
  }
}

TEST_F(Emulator, MultipliesTiles) {
  InAllSchedules([] {
    CheckProduct<cuda::Bf16Elements, __nv_bfloat16, float, 16>(
        [](int v) { return __float2bfloat16_rn(static_cast<float>(v)); });
    CheckProduct<cuda::Fp16Elements, __half, float, 16>(
        [](int v) { return __float2half_rn(static_cast<float>(v)); });
    CheckProduct<cuda::Int8Elements, int8_t, int32_t, 32>(
        [](int v) { return static_cast<int8_t>(v); });
  });
}

TEST_F(Emulator, RoundsTo16BitsAsTheHardwareDoes) {
  EXPECT_EQ(__float2bfloat16_rn(1.0f).bits, 0x3f80);
  EXPECT_EQ(__float2bfloat16_rn(1.00390625f).bits, 0x3f80);  // a tie: to even
  EXPECT_EQ(__float2bfloat16_rn(1.01171875f).bits, 0x3f82);  // a tie: to even
  EXPECT_EQ(__float2bfloat16_rn(3.4e38f).bits, 0x7f80);      // beyond the largest
  EXPECT_EQ(__float2bfloat16_rn(-std::nanf("")).bits, 0x7fff);
  EXPECT_EQ(__float2half_rn(65520.0f).bits, 0x7c00);
  EXPECT_EQ(__float2half_rn(65519.0f).bits, 0x7bff);
  EXPECT_EQ(__float2half_rn(5.9604645e-8f).bits, 0x0001);
}

TEST_F(Emulator, ExpIsNearTheTruth) {
  double worst = 0.0;
  for (float x = -87.3f; x < 88.7f; x += 0.0137f) {
    const double want = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(cuda::Exp(x) - want) / want);
  }
  EXPECT_LT(worst, 2.5e-7);
  EXPECT_EQ(cuda::Exp(-100.0f), 0.0f);
  EXPECT_EQ(cuda::Exp(100.0f), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(cuda::Exp(std::nanf(""))));
  EXPECT_EQ(cuda::Exp(0.0f), 1.0f);
}

}  // namespace
}  // namespace tandem
