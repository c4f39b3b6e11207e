#include "kernels/embedding.h"

#include <gtest/gtest.h>

#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

TEST(Embedding, RefusesIdsOutsideTheVocabulary) {
  OpContext machine;
  const PackedMatrix table = AllocateMatrix(DType::kF32, 10, 4);
  Tensor y(DType::kF32, {1, 4});
  for (int32_t id : {-1, 10}) {
    EXPECT_THROW(
        Embedding(machine.context(), {.ids = ConstTensorView(&id, {1}), .table = table, .y = y}),
        InternalError);
  }
}

}  // namespace
}  // namespace tandem
