// Packing on CUDA leaves the CPU's numbers in its own layout, in all schedules.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/matmul.h"
#include "kernels/quantize.h"
#include "tests/cuda_on_cpu/on_cuda.h"

namespace tandem {
namespace {

constexpr DType kPackedTypes[] = {DType::kF32, DType::kBf16, DType::kF16, DType::kI8};
constexpr DType kSourceTypes[] = {DType::kF32, DType::kBf16, DType::kF16};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class CudaPack : public OnCuda, public testing::WithParamInterface<cuda_on_cpu::Schedule> {
 protected:
  CudaPack() { cuda_on_cpu::SetSchedule(GetParam()); }

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

  PackedMatrix OnDevice(DType dtype, int64_t n, int64_t k) {
    return AllocateMatrix(dtype, n, k, kCuda);
  }

  // The numbers of `want`, which is on the CPU, and zeros behind each row.
  void ExpectSame(const PackedMatrix& got, const PackedMatrix& want);
};

bool SameBytes(const void* a, const void* b, int64_t size) {
  return size == 0 || std::memcmp(a, b, static_cast<size_t>(size)) == 0;
}

void CudaPack::ExpectSame(const PackedMatrix& got, const PackedMatrix& want) {
  const PackedMatrix fetched = CopyMatrix(on_cuda_, got, kCpuDevice);
  EXPECT_TRUE(SameBytes(fetched.data(), want.data(),
                        want.padded_n() * want.padded_k() * SizeOf(want.dtype())));
  const int64_t row_bytes = got.row_bytes();
  const HostCopy rows(on_cuda_, {got.data(), DType::kU8, {got.n() * row_bytes}, kCuda});
  for (int64_t row = 0; row < got.n(); ++row) {
    for (int64_t i = got.k() * SizeOf(got.dtype()); i < row_bytes; ++i) {
      ASSERT_EQ(rows.view().data<uint8_t>()[row * row_bytes + i], 0) << row << ", byte " << i;
    }
  }
  if (want.dtype() != DType::kI8) return;
  EXPECT_TRUE(SameBytes(fetched.scales(), want.scales(), want.padded_n() * 4));
  EXPECT_TRUE(SameBytes(fetched.sums(), want.sums(), want.padded_n() * 4));
}

TEST_P(CudaPack, MatricesGoToTheDeviceAndBack) {
  for (const DType dtype : kPackedTypes) {
    for (const auto& [n, k] :
         std::vector<std::pair<int64_t, int64_t>>{{5, 0}, {130, 200}, {65, 7}}) {
      PackedMatrix want = AllocateMatrix(dtype, n, k);
      PackRows(on_cpu_, NormalTensor({n, k}, 4), 0, want);
      ExpectSame(CopyMatrix(on_cuda_, want, kCuda), want);
    }
  }
}

TEST_P(CudaPack, RowsAreTheCpusBytes) {
  for (const DType to : kPackedTypes) {
    for (const DType from : kSourceTypes) {
      for (const auto& [n, k] : std::vector<std::pair<int64_t, int64_t>>{
               {1, 1}, {5, 0}, {64, 32}, {65, 7}, {130, 200}, {33, 129}}) {
        SCOPED_TRACE(std::string(Name(from)) + " to " + std::string(Name(to)) + " " +
                     std::to_string(n) + " x " + std::to_string(k));
        const Tensor w = Weights(n, k, from);
        PackedMatrix want = AllocateMatrix(to, n, k), got = OnDevice(to, n, k);
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
  PackedMatrix want = AllocateMatrix(DType::kI8, kN, kK), got = OnDevice(DType::kI8, kN, kK);
  PackRows(on_cpu_, w, 0, want);
  PackRows(on_cuda_, w, 0, got);
  ExpectSame(got, want);
}

TEST_P(CudaPack, RowsInPiecesLeaveTheOthersAlone) {
  constexpr int64_t kN = 173, kK = 33;
  for (const DType to : kPackedTypes) {
    const Tensor w = Weights(kN, kK, DType::kF32);
    PackedMatrix want = AllocateMatrix(to, kN, kK), got = OnDevice(to, kN, kK);
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
        PackedMatrix want = AllocateMatrix(to, n, k), got = OnDevice(to, n, k);
        const int64_t size = n * got.row_bytes();
        Tensor dirt(DType::kU8, {size});  // padding too
        std::fill_n(dirt.data<uint8_t>(), size, uint8_t{0x55});
        Copy(on_cuda_, dirt, {got.data(), DType::kU8, {size}, kCuda});
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
      const PackedMatrix placed = CopyMatrix(on_cuda_, packed, kCuda);
      for (const auto& [first, count] :
           std::vector<std::pair<int64_t, int64_t>>{{0, kN}, {63, 2}, {149, 1}, {7, 0}}) {
        Tensor want(DType::kF32, {count, k}), got(DType::kF32, {count, k});
        UnpackRows(packed, first, want);
        UnpackRows(on_cuda_, placed, first, got);
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
