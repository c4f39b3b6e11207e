#include "kernels/attention_inputs.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/ops/attention_inputs_parts.h"

namespace tandem {
namespace {

TEST(AttentionInputs, HasTheBitsOfItsParts) {
  for (const InstructionSet isa : UsableInstructionSets()) {
    OpContext context(isa, 2);
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      for (const AttentionShape& shape : AttentionInputsShapes(dtype)) {
        for (const bool with_norm : {false, true}) {
          AttentionInputsBesideParts ops(shape, with_norm);
          EXPECT_TRUE(ops.Fused(context) == ops.InParts(context))
              << shape.Label() << " " << Name(dtype) << (with_norm ? " normed" : "");
        }
      }
    }
  }
}

class AttentionInputsShapeCheck : public testing::Test {
 protected:
  AttentionInputsArgs Args() {
    return {.qkv = qkv_,
            .positions = positions_,
            .table = table_,
            .batch = batch_.view(),
            .pool = pool_,
            .q = q_};
  }

  OpContext context_;
  RopeTable table_{{.head_dim = 16, .max_positions = 64}};
  OwnedBatch batch_{{{2, 2}}};
  KvPool pool_{{.num_layers = 1, .num_kv_heads = 1, .head_dim = 16}, 8};
  Tensor positions_ = Integers({0, 1}, {2});
  Tensor qkv_ = NormalTensor({2, 64}, 1);
  Tensor q_ = NormalTensor({2, 2, 16}, 2);
  Tensor norm_ = NormalTensor({16}, 3);
};

TEST_F(AttentionInputsShapeCheck, RefusesOperandsThatDoNotFit) {
  table_.Reserve(2);
  AttentionInputs(context_, Args());

  AttentionInputsArgs one_norm = Args();
  one_norm.q_norm = norm_;
  EXPECT_THROW(AttentionInputs(context_, one_norm), InternalError);
  one_norm.k_norm = norm_;
  AttentionInputs(context_, one_norm);

  const Tensor narrow = NormalTensor({2, 48}, 4);
  AttentionInputsArgs narrow_qkv = Args();
  narrow_qkv.qkv = narrow;
  EXPECT_THROW(AttentionInputs(context_, narrow_qkv), InternalError);

  const Tensor far = Integers({0, 64}, {2});  // RoPE has 64 positions ready
  AttentionInputsArgs far_positions = Args();
  far_positions.positions = far;
  EXPECT_THROW(AttentionInputs(context_, far_positions), InternalError);
}

}  // namespace
}  // namespace tandem
