// Attention on CUDA: what the op table does not say. How keys are shared out between blocks changes
// no bit.

#include "kernels/attention_dropout.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "kernels/cuda/attention_parts.h"
#include "kernels/cuda/ops.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/operands.h"
#include "tests/support/tolerances.h"

namespace tandem {
namespace {

class CudaAttention : public testing::Test {
 protected:
  CudaAttention() {
    SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
    on_cuda_.context().device = {DeviceKind::kCuda, 0};
  }
  ~CudaAttention() override {
    SetDeviceOps(DeviceKind::kCuda, {});
    cuda_on_cpu::SetSchedule({});
  }

  OpContext on_cpu_;
  OpContext on_cuda_;
};

void ExpectSameBits(ConstTensorView a, ConstTensorView b) {
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_EQ(std::memcmp(a.bytes(), b.bytes(), static_cast<size_t>(a.size_bytes())), 0);
}

// The forward with its statistics.
struct Forward {
  AttentionOp op;
  Tensor statistics;

  Forward(Context& on_cpu, const AttentionShape& shape)
      : op(on_cpu, shape), statistics(DType::kF32, {op.q.dim(0), op.q.dim(1), 2}) {}

  AttentionArgs Args() {
    return {.q = op.q,
            .batch = op.batch.view(),
            .pool = op.pool,
            .layer = AttentionOp::kLayer,
            .scale = op.shape.heads.scale(),
            .window = op.shape.heads.window,
            .y = op.y,
            .statistics = statistics};
  }
  int64_t Run(Context& context) {
    Attention(context, Args());
    return cuda::NumParts(cuda::ShapesOf(Args()));
  }
};

std::vector<AttentionHeads> AllPaths() {
  return {{.num_heads = 8, .num_kv_heads = 2, .head_dim = 64, .dtype = DType::kBf16},
          {.num_heads = 4, .num_kv_heads = 4, .head_dim = 80, .window = 700, .dtype = DType::kBf16},
          {.num_heads = 3,
           .num_kv_heads = 1,
           .head_dim = 96,
           .dtype = DType::kBf16,
           .y_dtype = DType::kBf16},
          {.num_heads = 4, .num_kv_heads = 2, .head_dim = 128, .dtype = DType::kBf16},
          {.num_heads = 2, .num_kv_heads = 1, .head_dim = 40, .window = 600, .dtype = DType::kBf16},
          {.num_heads = 2, .num_kv_heads = 2, .head_dim = 24, .dtype = DType::kF32}};
}

// The same decoded token alone, where as many blocks share its keys as it has segments; beside some
// others; and beside so many that nothing is shared. And all of a prompt's last tokens.
TEST_F(CudaAttention, HasTheSameBitsHoweverKeysAreSharedOut) {
  constexpr int64_t kLength = 1700;  // four segments
  size_t turn = 0;
  for (const AttentionHeads& heads : AllPaths()) {
    SCOPED_TRACE(heads.Label());
    cuda_on_cpu::SetSchedule(AllSchedules()[turn++ % AllSchedules().size()]);
    Forward alone(on_cpu_, {heads, {{1, kLength}}});
    EXPECT_EQ(alone.Run(on_cuda_), 4);
    EXPECT_EQ(Difference(alone.op.y, alone.op.Reference()[0], OpTolerance(heads.dtype)), "");
    const bool has_tile = cuda::ShapesOf(alone.Args()).has_tile;
    const int64_t rows = heads.num_heads / heads.num_kv_heads;  // of a token, in a tile
    const auto beside = [&](int64_t num_blocks, int64_t want_parts) {
      const int64_t others = has_tile ? num_blocks / heads.num_kv_heads * 64 / (64 + rows)
                                      : num_blocks * 4 / heads.num_heads;
      std::vector<SequenceShape> sequences(static_cast<size_t>(others), {1, 2});
      sequences[0] = {1, kLength};
      Forward batch(on_cpu_, {heads, sequences});
      EXPECT_EQ(batch.Run(on_cuda_), want_parts);
      ExpectSameBits(batch.op.y.Rows(0, 1), alone.op.y);
      ExpectSameBits(batch.statistics.view().Rows(0, 1), alone.statistics);
    };
    beside(200, 2);
    beside(300, 1);
    Forward prompt(on_cpu_, {heads, {{3, kLength}, {70, 70}}});
    EXPECT_GT(prompt.Run(on_cuda_), 1);
    ExpectSameBits(prompt.op.y.Rows(2, 1), alone.op.y);
    ExpectSameBits(prompt.statistics.view().Rows(2, 1), alone.statistics);
  }
}

// Whole sequences, forward and backward.
struct Backward {
  Forward forward;
  Tensor dy, dq, dk, dv;

  // dy is that of the same sequences of `lengths` from the first on.
  Backward(Context& on_cpu, Context& on_cuda, const AttentionHeads& heads,
           const std::vector<int64_t>& lengths)
      : forward(on_cpu, {heads, Whole(lengths)}) {
    const Shape q_shape = forward.op.q.shape();
    const Shape kv_shape{q_shape[0], heads.num_kv_heads, heads.head_dim};
    dy = RandomTensor(q_shape, 7);
    for (Tensor* gradient : {&dk, &dv}) *gradient = NormalTensor(kv_shape, 1);  // overwritten
    dq = NormalTensor(q_shape, 2);
    forward.Run(on_cuda);
    const AttentionArgs args = forward.Args();
    AttentionBackward(on_cuda, {.q = args.q,
                                .batch = args.batch,
                                .pool = args.pool,
                                .layer = args.layer,
                                .scale = args.scale,
                                .window = args.window,
                                .y = args.y,
                                .statistics = args.statistics,
                                .dy = dy,
                                .dq = dq,
                                .dk = dk,
                                .dv = dv});
  }

  static std::vector<SequenceShape> Whole(const std::vector<int64_t>& lengths) {
    std::vector<SequenceShape> sequences;
    for (const int64_t length : lengths) sequences.push_back({length, length});
    return sequences;
  }
};

// Of sequences of many lengths, and of the first of them alone.
TEST_F(CudaAttention, GradientsAgreeAndHaveTheSameBitsAloneAndInABatch) {
  for (AttentionHeads heads : AllPaths()) {
    if (heads.window > 0) heads.window = 70;
    SCOPED_TRACE(heads.Label());
    const std::vector<int64_t> lengths = {150, 1, 64, 81};
    std::optional<std::pair<Tensor, Tensor>> first;  // dq, dk
    for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
      cuda_on_cpu::SetSchedule(schedule);
      const Backward batch(on_cpu_, on_cuda_, heads, lengths);
      if (first) {
        ExpectSameBits(batch.dq, first->first);
        ExpectSameBits(batch.dk, first->second);
        continue;
      }
      first.emplace(batch.dq.Clone(), batch.dk.Clone());
      const Backward alone(on_cpu_, on_cuda_, heads, {lengths[0]});
      ExpectSameBits(batch.dq.view().Rows(0, lengths[0]), alone.dq);
      ExpectSameBits(batch.dk.view().Rows(0, lengths[0]), alone.dk);
      ExpectSameBits(batch.dv.view().Rows(0, lengths[0]), alone.dv);

      AttentionGradients want;
      const float* dy = batch.dy.data<float>();
      for (const AttentionText& text : batch.forward.op.texts()) {
        const int64_t count = text.length * heads.q_width();
        const AttentionGradients g =
            ReferenceAttentionGradients(heads, text, std::vector<float>(dy, dy + count));
        dy += count;
        want.dq.insert(want.dq.end(), g.dq.begin(), g.dq.end());
        want.dk.insert(want.dk.end(), g.dk.begin(), g.dk.end());
        want.dv.insert(want.dv.end(), g.dv.begin(), g.dv.end());
      }
      const double tolerance = OpTolerance(heads.dtype);
      EXPECT_EQ(Difference(batch.dq, want.dq, tolerance), "");
      EXPECT_EQ(Difference(batch.dk, want.dk, tolerance), "");
      EXPECT_EQ(Difference(batch.dv, want.dv, tolerance), "");
    }
  }
}

// The first sequence's mask does not depend on those after it, and so nor do its bits.
TEST_F(CudaAttention, WithDropoutHasTheSameBitsAloneAndInABatch) {
  const DropoutMask mask({.share = 0.3, .seed = 4}, DropoutPlace::kAttentionWeights, 1);
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const AttentionHeads heads{
        .num_heads = 4, .num_kv_heads = 2, .head_dim = 40, .window = 50, .dtype = dtype};
    struct Passes {
      Tensor y, dq, dk, dv;
    };
    const auto run = [&](const std::vector<int64_t>& lengths) {
      Forward forward(on_cpu_, {heads, Backward::Whole(lengths)});
      const Shape q_shape = forward.op.q.shape();
      const Shape kv_shape{q_shape[0], heads.num_kv_heads, heads.head_dim};
      const Tensor dy = RandomTensor(q_shape, 7);
      Passes passes{.y = NormalTensor(q_shape, 1),
                    .dq = NormalTensor(q_shape, 2),
                    .dk = NormalTensor(kv_shape, 3),
                    .dv = NormalTensor(kv_shape, 4)};
      AttentionArgs args = forward.Args();
      args.y = passes.y;
      DropoutAttention(on_cuda_, {.attention = args, .mask = mask});
      const AttentionBackwardArgs backward{.q = args.q,
                                           .batch = args.batch,
                                           .pool = args.pool,
                                           .layer = args.layer,
                                           .scale = args.scale,
                                           .window = args.window,
                                           .y = {},
                                           .statistics = {},
                                           .dy = dy,
                                           .dq = passes.dq,
                                           .dk = passes.dk,
                                           .dv = passes.dv};
      DropoutAttentionBackward(on_cuda_, {.attention = backward, .mask = mask});
      return passes;
    };
    const Passes alone = run({70});
    const Passes batch = run({70, 1, 35});
    ExpectSameBits(batch.y.view().Rows(0, 70), alone.y);
    ExpectSameBits(batch.dq.view().Rows(0, 70), alone.dq);
    ExpectSameBits(batch.dk.view().Rows(0, 70), alone.dk);
    ExpectSameBits(batch.dv.view().Rows(0, 70), alone.dv);
  }
}

TEST(CudaAttentionParts, DependOnShapesAlone) {
  cuda::AttentionShapes shapes{.tokens = 1,
                               .num_heads = 32,
                               .num_kv_heads = 8,
                               .head_dim = 128,
                               .num_seqs = 1,
                               .max_pages = 2048,
                               .has_tile = true};
  EXPECT_EQ(cuda::NumParts(shapes), 64);  // one for each segment
  shapes.tokens = shapes.num_seqs = 16;
  EXPECT_EQ(cuda::NumParts(shapes), 3);
  shapes.tokens = shapes.num_seqs = 64;
  EXPECT_EQ(cuda::NumParts(shapes), 1);
  shapes.tokens = 2048;  // their partial sums would be hundreds of megabytes
  shapes.num_seqs = 1;
  shapes.num_kv_heads = 1;
  EXPECT_EQ(cuda::NumParts(shapes), 1);
  shapes.max_pages = 0;
  EXPECT_EQ(cuda::NumParts(shapes), 1);
}

}  // namespace
}  // namespace tandem
