#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/matmul.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

bool SameContents(const PackedMatrix& a, const PackedMatrix& b) {
  const auto bytes = static_cast<size_t>(a.padded_n() / PackedMatrix::kPanel * a.panel_bytes());
  if (a.n() != b.n() || a.k() != b.k() || a.dtype() != b.dtype()) return false;
  if (std::memcmp(a.data(), b.data(), bytes) != 0) return false;
  if (a.dtype() != DType::kI8) return true;
  const auto columns = static_cast<size_t>(a.padded_n()) * 4;
  return std::memcmp(a.scales(), b.scales(), columns) == 0 &&
         std::memcmp(a.sums(), b.sums(), columns) == 0;
}

TEST(PackedMatrix, UnpacksToTheRoundedWeights) {
  OpContext machine(BestInstructionSet(), 2);
  for (int64_t n : {1, 16, 63, 64, 65, 200}) {
    for (int64_t k : {1, 2, 3, 5, 64, 173}) {
      const Tensor w = RandomTensor({n, k}, 7);
      Tensor out(DType::kF32, {n, k});
      UnpackRows(PackMatrix(machine.context(), w, DType::kF32), 0, out);
      for (int64_t i = 0; i < n * k; ++i) ASSERT_EQ(out.data<float>()[i], w.data<float>()[i]);
      UnpackRows(PackMatrix(machine.context(), w, DType::kBf16), 0, out);
      for (int64_t i = 0; i < n * k; ++i) {
        ASSERT_EQ(out.data<float>()[i], static_cast<float>(BFloat16(w.data<float>()[i])));
      }
      UnpackRows(PackMatrix(machine.context(), w, DType::kF16), 0, out);
      for (int64_t i = 0; i < n * k; ++i) {
        ASSERT_EQ(out.data<float>()[i], static_cast<float>(Float16(w.data<float>()[i])));
      }
    }
  }
}

TEST(PackedMatrix, QuantisesEachRowByItsLargestWeight) {
  OpContext machine(BestInstructionSet(), 2);
  const Tensor w = RandomTensor({70, 173}, 7);
  const PackedMatrix packed = PackMatrix(machine.context(), w, DType::kI8);
  Tensor out(DType::kF32, {70, 173});
  UnpackRows(packed, 0, out);
  for (int64_t row = 0; row < 70; ++row) {
    float largest = 0;
    for (int64_t i = 0; i < 173; ++i) {
      largest = std::max(largest, std::abs(w.data<float>()[row * 173 + i]));
    }
    EXPECT_EQ(packed.scales()[row], largest / 127.0f);
    int32_t sum = 0;
    for (int64_t i = 0; i < 173; ++i) {
      const auto q =
          static_cast<int32_t>(std::nearbyint(w.data<float>()[row * 173 + i] * (127.0f / largest)));
      sum += q;
      ASSERT_EQ(out.data<float>()[row * 173 + i], static_cast<float>(q) * packed.scales()[row]);
    }
    EXPECT_EQ(packed.sums()[row], sum);
  }
  for (int64_t row = 70; row < packed.padded_n(); ++row) {
    EXPECT_EQ(packed.scales()[row], 0.0f);
    EXPECT_EQ(packed.sums()[row], 0);
  }
}

TEST(PackedMatrix, KeepsPaddingZeroWhenRowsAreReplaced) {
  OpContext machine(BestInstructionSet(), 2);
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kI8}) {
    PackedMatrix packed = PackMatrix(machine.context(), RandomTensor({65, 7}, 1), dtype);
    const Tensor zeros(DType::kF32, {65, 7});
    PackRows(machine.context(), zeros, 0, packed);
    const int64_t bytes = 2 * packed.panel_bytes();
    for (int64_t i = 0; i < bytes; ++i) ASSERT_EQ(packed.data()[i], std::byte{0}) << Name(dtype);
  }
}

TEST(PackedMatrix, SeveralMatricesInOneEqualTheirConcatenation) {
  OpContext machine(BestInstructionSet(), 2);
  const Tensor whole = RandomTensor({173, 37}, 5);
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kI8}) {
    const PackedMatrix want = PackMatrix(machine.context(), whole, dtype);
    PackedMatrix got = AllocateMatrix(dtype, 173, 37);
    PackRows(machine.context(), whole.view().Rows(100, 73), 100, got);
    PackRows(machine.context(), whole.view().Rows(0, 9), 0, got);
    PackRows(machine.context(), whole.view().Rows(9, 91), 9, got);
    EXPECT_TRUE(SameContents(want, got)) << Name(dtype);
  }
}

TEST(PackedMatrix, IsTheSameForAnyThreadsInstructionsAndSourceType) {
  OpContext reference(InstructionSet::kPortable);
  Tensor source = RandomTensor({173, 37}, 5);
  // Weights that both 16-bit types hold exactly.
  for (int64_t i = 0; i < 173 * 37; ++i) {
    source.data<float>()[i] = std::round(source.data<float>()[i] * 127.0f) / 64.0f;
  }
  Tensor half(DType::kF16, source.shape());
  Tensor brain(DType::kBf16, source.shape());
  for (int64_t i = 0; i < 173 * 37; ++i) {
    half.data<Float16>()[i] = Float16(source.data<float>()[i]);
    brain.data<BFloat16>()[i] = BFloat16(source.data<float>()[i]);
  }
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kI8}) {
    const PackedMatrix want = PackMatrix(reference.context(), source, dtype);
    for (InstructionSet isa : UsableInstructionSets()) {
      for (int num_threads : {1, 3}) {
        OpContext machine(isa, num_threads);
        EXPECT_TRUE(SameContents(want, PackMatrix(machine.context(), source, dtype)));
        EXPECT_TRUE(SameContents(want, PackMatrix(machine.context(), half, dtype)));
        EXPECT_TRUE(SameContents(want, PackMatrix(machine.context(), brain, dtype)));
      }
    }
  }
}

TEST(PackedMatrix, MarksRowsThatAreNotNumbersAndKeepsZeroRows) {
  OpContext machine(BestInstructionSet(), 2);
  Tensor w = RandomTensor({3, 40}, 5);
  for (int64_t i = 0; i < 40; ++i) w.data<float>()[i] = 0;
  w.data<float>()[40 + 3] = std::numeric_limits<float>::infinity();
  const PackedMatrix packed = PackMatrix(machine.context(), w, DType::kI8);
  EXPECT_EQ(packed.scales()[0], 0.0f);
  EXPECT_TRUE(std::isnan(packed.scales()[1]));
  EXPECT_GT(packed.scales()[2], 0.0f);
}

TEST(PackedMatrix, RefusesRowsOutsideTheMatrix) {
  OpContext machine(BestInstructionSet(), 2);
  PackedMatrix packed = AllocateMatrix(DType::kF32, 10, 4);
  const Tensor rows(DType::kF32, {4, 4});
  EXPECT_THROW(PackRows(machine.context(), rows, 7, packed), InternalError);
  EXPECT_THROW(PackRows(machine.context(), rows, -1, packed), InternalError);
  const Tensor wide(DType::kF32, {4, 5});
  EXPECT_THROW(PackRows(machine.context(), wide, 0, packed), InternalError);
  EXPECT_THROW(AllocateMatrix(DType::kI32, 4, 4), InternalError);
}

}  // namespace
}  // namespace tandem
