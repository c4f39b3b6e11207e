#include "kernels/attention_dropout.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

std::vector<AttentionShape> WholeSequences() {
  std::vector<AttentionShape> shapes;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    shapes.push_back({.heads = {.num_heads = 4, .num_kv_heads = 2, .head_dim = 24, .dtype = dtype},
                      .sequences = {{40, 40}, {1, 1}, {67, 67}}});
    shapes.push_back(
        {.heads = {.num_heads = 3, .num_kv_heads = 3, .head_dim = 16, .window = 9, .dtype = dtype},
         .sequences = {{50, 50}}});
  }
  return shapes;
}

struct Passes {
  explicit Passes(const AttentionShape& given, Context& context, double share)
      : shape(given), forward(context, given), mask({.share = share, .seed = 4}, kPlace, 1) {
    const Shape q_shape = forward.q.shape();
    const Shape kv_shape{q_shape[0], given.heads.num_kv_heads, given.heads.head_dim};
    y = Tensor(DType::kF32, q_shape);
    dy = NormalTensor(q_shape, 51);
    dq = Tensor(DType::kF32, q_shape);
    dk = Tensor(DType::kF32, kv_shape);
    dv = Tensor(DType::kF32, kv_shape);
    const AttentionArgs attention{.q = forward.q,
                                  .batch = forward.batch.view(),
                                  .pool = forward.pool,
                                  .layer = AttentionOp::kLayer,
                                  .scale = given.heads.scale(),
                                  .window = given.heads.window,
                                  .y = y};
    DropoutAttention(context, {.attention = attention, .mask = mask});
    const AttentionBackwardArgs backward{.q = forward.q,
                                         .batch = forward.batch.view(),
                                         .pool = forward.pool,
                                         .layer = AttentionOp::kLayer,
                                         .scale = given.heads.scale(),
                                         .window = given.heads.window,
                                         .y = {},
                                         .statistics = {},
                                         .dy = dy,
                                         .dq = dq,
                                         .dk = dk,
                                         .dv = dv};
    DropoutAttentionBackward(context, {.attention = backward, .mask = mask});
  }

  static constexpr DropoutPlace kPlace = DropoutPlace::kAttentionWeights;
  AttentionShape shape;
  AttentionOp forward;
  DropoutMask mask;
  Tensor y, dy, dq, dk, dv;
};

// `tolerance` is of the largest value.
void ExpectNear(const Tensor& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.shape().num_elements(), static_cast<int64_t>(want.size()));
  double largest = 0, worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::abs(want[i]));
    worst = std::max(worst, std::abs(want[i] - static_cast<double>(got.data<float>()[i])));
  }
  EXPECT_LT(worst, tolerance * largest);
}

TEST(DropoutAttention, IsAttentionWhereNothingIsDropped) {
  for (const AttentionShape& shape : WholeSequences()) {
    OpContext context(BestInstructionSet(), 2);
    const Passes passes(shape, context, 0.0);
    std::vector<double> y, dq, dk, dv;
    const float* dy = passes.dy.data<float>();
    for (const AttentionText& text : passes.forward.texts()) {
      for (int64_t i = 0; i < text.length; ++i) {
        const auto row = ReferenceAttentionRow(shape.heads, text, i);
        y.insert(y.end(), row.begin(), row.end());
      }
      const int64_t count = text.length * shape.heads.q_width();
      const AttentionGradients g =
          ReferenceAttentionGradients(shape.heads, text, std::vector<float>(dy, dy + count));
      dy += count;
      dq.insert(dq.end(), g.dq.begin(), g.dq.end());
      dk.insert(dk.end(), g.dk.begin(), g.dk.end());
      dv.insert(dv.end(), g.dv.begin(), g.dv.end());
    }
    // The reference rounds probabilities to the cache's dtype, these loops do not.
    ExpectNear(passes.y, y, shape.heads.dtype == DType::kBf16 ? 1e-2 : 1e-5);
    ExpectNear(passes.dq, dq, 1e-5);
    ExpectNear(passes.dk, dk, 1e-5);
    ExpectNear(passes.dv, dv, 1e-5);
  }
}

TEST(DropoutAttention, HasTheSameBitsOnAnyNumberOfThreads) {
  for (const AttentionShape& shape : WholeSequences()) {
    OpContext one(BestInstructionSet(), 1), five(BestInstructionSet(), 5);
    const Passes a(shape, one, 0.3), b(shape, five, 0.3);
    for (const auto& [x, y] : {std::pair(&a.y, &b.y), std::pair(&a.dq, &b.dq),
                               std::pair(&a.dk, &b.dk), std::pair(&a.dv, &b.dv)}) {
      EXPECT_EQ(
          std::memcmp(x->view().bytes(), y->view().bytes(), static_cast<size_t>(x->size_bytes())),
          0);
    }
  }
}

}  // namespace
}  // namespace tandem
