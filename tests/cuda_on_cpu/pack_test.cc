// Packing on CUDA leaves every byte as the CPU's does, in all schedules.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cuda/ops.h"
#include "kernels/matmul.h"
#include "kernels/quantize.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

constexpr DType kPackedTypes[] = {DType::kF32, DType::kBf16, DType::kF16, DType::kI8};
constexpr DType kSourceTypes[] = {DType::kF32, DType::kBf16, DType::kF16};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class CudaPack : public testing::TestWithParam<cuda_on_cpu::Schedule> {
 protected:
  CudaPack() {
    SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
    on_cuda_.context().device = {DeviceKind::kCuda, 0};
    cuda_on_cpu::SetSchedule(GetParam());
  }
  ~CudaPack() override {
    SetDeviceOps(DeviceKind::kCuda, {});
    cuda_on_cpu::SetSchedule({});
  }

  // In the range of every type, and beyond it: what rounds to a tie, is denormal or overflows f16.
  Tensor Weights(int64_t n, int64_t k, DType dtype) {
    Tensor values = NormalTensor({n, k}, static_cast<uint64_t>(n * 1000 + k));
    const float special[] = {0.0f,   -0.0f,  1.00390625f, 1.01171875f, 7e4f,
                             1e-40f, -3e-8f, kInfinity,   0.5f,        -65519.9f};
    for (int64_t i = 0; i < n * k; i += 7) values.data<float>()[i] = special[i / 7 % 10];
    Tensor converted(dtype, {n, k});
    Convert(on_cpu_, {.x = values, .y = converted});
    return converted;
  }

  OpContext on_cpu_;
  OpContext on_cuda_;
};

bool SameBytes(const void* a, const void* b, int64_t size) {
  return size == 0 || std::memcmp(a, b, static_cast<size_t>(size)) == 0;
}

void ExpectSame(const PackedMatrix& got, const PackedMatrix& want) {
  EXPECT_TRUE(
      SameBytes(got.data(), want.data(), want.padded_n() * want.padded_k() * SizeOf(want.dtype())));
  if (want.dtype() != DType::kI8) return;
  EXPECT_TRUE(SameBytes(got.scales(), want.scales(), want.padded_n() * 4));
  EXPECT_TRUE(SameBytes(got.sums(), want.sums(), want.padded_n() * 4));
}

TEST_P(CudaPack, RowsAreTheCpusBytes) {
  for (const DType to : kPackedTypes) {
    for (const DType from : kSourceTypes) {
      for (const auto& [n, k] : std::vector<std::pair<int64_t, int64_t>>{
               {1, 1}, {5, 0}, {64, 32}, {65, 7}, {130, 200}, {33, 129}}) {
        SCOPED_TRACE(std::string(Name(from)) + " to " + std::string(Name(to)) + " " +
                     std::to_string(n) + " x " + std::to_string(k));
        const Tensor w = Weights(n, k, from);
        PackedMatrix want = AllocateMatrix(to, n, k), got = AllocateMatrix(to, n, k);
        PackRows(on_cpu_, w, 0, want);
        PackRows(on_cuda_, w, 0, got);
        ExpectSame(got, want);
      }
    }
  }
}

// Rows with a value that is not finite, all zero, or too small for a scale; ties.
TEST_P(CudaPack, ScalesOfSpecialRowsAreTheCpus) {
  constexpr int64_t kN = 70, kK = 37;
  Tensor w = NormalTensor({kN, kK}, 3);
  const auto row = [&](int64_t i) { return w.data<float>() + i * kK; };
  row(0)[5] = std::nanf("");
  row(1)[36] = -kInfinity;
  std::fill_n(row(2), kK, 0.0f);
  std::fill_n(row(3), kK, 1e-37f);
  std::fill_n(row(64), kK, -1e-39f);
  for (int64_t i = 0; i < kK; ++i) row(65)[i] = static_cast<float>(i) - 0.5f;
  row(65)[0] = 127.0f;
  PackedMatrix want = AllocateMatrix(DType::kI8, kN, kK), got = AllocateMatrix(DType::kI8, kN, kK);
  PackRows(on_cpu_, w, 0, want);
  PackRows(on_cuda_, w, 0, got);
  ExpectSame(got, want);
}

TEST_P(CudaPack, RowsInPiecesLeaveTheOthersAlone) {
  constexpr int64_t kN = 173, kK = 33;
  for (const DType to : kPackedTypes) {
    const Tensor w = Weights(kN, kK, DType::kF32);
    PackedMatrix want = AllocateMatrix(to, kN, kK), got = AllocateMatrix(to, kN, kK);
    for (const auto& [first, count] :
         std::vector<std::pair<int64_t, int64_t>>{{100, 73}, {0, 9}, {60, 10}, {9, 0}}) {
      PackRows(on_cpu_, w.view().Rows(first, count), first, want);
      PackRows(on_cuda_, w.view().Rows(first, count), first, got);
      ExpectSame(got, want);
    }
  }
}

TEST_P(CudaPack, ColumnsAreTheCpusBytes) {
  for (const DType to : {DType::kF32, DType::kBf16, DType::kF16}) {
    for (const DType from : {DType::kF32, DType::kBf16}) {
      for (const auto& [k, n] : std::vector<std::pair<int64_t, int64_t>>{
               {1, 1}, {0, 5}, {5, 0}, {32, 64}, {7, 65}, {201, 130}}) {
        SCOPED_TRACE(std::string(Name(from)) + " to " + std::string(Name(to)) + " " +
                     std::to_string(k) + " x " + std::to_string(n));
        const Tensor w = Weights(k, n, from);
        PackedMatrix want = AllocateMatrix(to, n, k), got = AllocateMatrix(to, n, k);
        const int64_t size = want.padded_n() * want.padded_k() * SizeOf(to);
        if (size > 0) std::memset(got.data(), 0x55, static_cast<size_t>(size));  // padding too
        PackColumns(on_cpu_, w, want);
        PackColumns(on_cuda_, w, got);
        ExpectSame(got, want);
      }
    }
  }
}

TEST_P(CudaPack, UnpackedRowsAreTheCpusBytes) {
  constexpr int64_t kN = 150;
  for (const DType type : kPackedTypes) {
    for (const int64_t k : {1, 64, 131}) {
      PackedMatrix packed = AllocateMatrix(type, kN, k);
      PackRows(on_cpu_, NormalTensor({kN, k}, 5), 0, packed);
      for (const auto& [first, count] :
           std::vector<std::pair<int64_t, int64_t>>{{0, kN}, {63, 2}, {149, 1}, {7, 0}}) {
        Tensor want(DType::kF32, {count, k}), got(DType::kF32, {count, k});
        UnpackRows(packed, first, want);
        UnpackRows(on_cuda_, packed, first, got);
        EXPECT_TRUE(SameBytes(got.view().bytes(), want.view().bytes(), want.size_bytes()))
            << Name(type) << " k " << k << " rows " << first << " + " << count;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InEverySchedule, CudaPack, testing::ValuesIn(AllSchedules()),
                         [](const auto& schedule) { return std::to_string(schedule.index); });

}  // namespace
}  // namespace tandem
