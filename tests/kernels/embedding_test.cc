#include "kernels/embedding.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/matmul_fixture.h"

namespace tandem {
namespace {

TEST(Embedding, ReadsTheRowsThatThePackedTableHolds) {
  Machine machine(BestInstructionSet(), 2);
  constexpr int64_t kVocabulary = 131;
  constexpr int64_t kHidden = 37;
  const Tensor w = RandomTensor({kVocabulary, kHidden}, 1);
  const std::vector<int32_t> ids{0, 130, 64, 63, 64, 7, 128};
  const auto tokens = static_cast<int64_t>(ids.size());
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kI8}) {
    const PackedMatrix table = PackMatrix(machine.context, w, dtype);
    Tensor rows(DType::kF32, {kVocabulary, kHidden});
    UnpackRows(table, 0, rows);
    Tensor y(DType::kF32, {tokens, kHidden});
    Embedding(machine.context,
              {.ids = ConstTensorView(ids.data(), {tokens}), .table = table, .y = y});
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t i = 0; i < kHidden; ++i) {
        ASSERT_EQ(y.data<float>()[t * kHidden + i],
                  rows.data<float>()[ids[static_cast<size_t>(t)] * kHidden + i])
            << Name(dtype);
      }
    }
  }
}

TEST(Embedding, RefusesIdsOutsideTheVocabulary) {
  Machine machine;
  const PackedMatrix table = AllocateMatrix(DType::kF32, 10, 4);
  Tensor y(DType::kF32, {1, 4});
  for (int32_t id : {-1, 10}) {
    EXPECT_THROW(
        Embedding(machine.context, {.ids = ConstTensorView(&id, {1}), .table = table, .y = y}),
        InternalError);
  }
}

}  // namespace
}  // namespace tandem
