#include "kernels/cross_entropy.h"

#include <algorithm>

#include "kernels/core/shape_check.h"
#include "kernels/cross_entropy_block.h"
#include "kernels/sampling.h"

namespace tandem {
namespace {

void CheckForward(const Context& context, ShapeCheck& check, const LinearCrossEntropyArgs& args,
                  Dim& rows) {
  Dim hidden{"hidden", args.head.k()};
  check.Match("x", args.x, {rows, hidden}).Type("x", args.x, {args.head.input_dtype()});
  check.Match("targets", args.targets, {rows}).Type("targets", args.targets, {DType::kI32});
  check.Match("losses", args.losses, {rows}).Type("losses", args.losses, {DType::kF32});
  CHECK(args.head.dtype() != DType::kI8, "a head of i8 weights has no gradient");
  if (context.device.kind != DeviceKind::kCpu) return;  // what targets hold is not to be seen
  const int32_t* targets = args.targets.data<int32_t>();
  for (int64_t row = 0; row < rows; ++row) {
    CHECK(targets[row] >= 0 && targets[row] < args.head.n(), "row", row, "target", targets[row],
          "vocabulary", args.head.n());
  }
}

// One block of rows, from logits to losses.
struct Block {
  int64_t first;
  int64_t count;
  TensorView logits;      // [count, vocab], f32
  TensorView statistics;  // [count, 2], f32
};

// Calls `then` for each block in ascending order.
template <typename Then>
void ForEachBlock(Context& context, const LinearCrossEntropyArgs& args, Then then) {
  const int64_t rows = args.x.dim(0), vocab = args.head.n();
  const int64_t block_rows = std::min(rows, kCrossEntropyRows);
  WorkspaceScope scratch(context.workspace);
  const TensorView logits = scratch.TakeTensor(DType::kF32, {block_rows, vocab});
  const TensorView statistics = scratch.TakeTensor(DType::kF32, {block_rows, 2});
  for (int64_t first = 0; first < rows; first += kCrossEntropyRows) {
    const int64_t count = std::min(rows - first, kCrossEntropyRows);
    const Block block{first, count, logits.Rows(0, count), statistics.Rows(0, count)};
    Matmul(context, {.x = args.x.Rows(first, count),
                     .x_scales = {},
                     .w = args.head,
                     .y = block.logits});  // [count, vocab]
    LogSoftmaxStatistics(context, {.logits = block.logits, .statistics = block.statistics});
    CrossEntropyLoss(context, {.logits = block.logits,
                               .statistics = block.statistics,
                               .targets = args.targets.Rows(first, count),
                               .losses = args.losses.Rows(first, count)});
    then(block);
  }
}

// From the block's logits to their gradients, in x's dtype; f32 in place.
TensorView Differentiate(Context& context, WorkspaceScope& scratch,
                         const LinearCrossEntropyBackwardArgs& args, const Block& block) {
  const TensorView gradient = args.forward.x.dtype() == DType::kBf16
                                  ? scratch.TakeTensor(DType::kBf16, block.logits.shape())
                                  : block.logits;
  CrossEntropyGradient(context, {.logits = block.logits,
                                 .statistics = block.statistics,
                                 .targets = args.forward.targets.Rows(block.first, block.count),
                                 .weights = args.weights.Rows(block.first, block.count),
                                 .gradient = gradient});
  return gradient;
}

}  // namespace

void LinearCrossEntropy(Context& context, const LinearCrossEntropyArgs& args) {
  ShapeCheck check("LinearCrossEntropy");
  Dim rows{"rows"};
  CheckForward(context, check, args, rows);
  ForEachBlock(context, args, [](const Block&) {});
}

void LinearCrossEntropyBackward(Context& context, const LinearCrossEntropyBackwardArgs& args) {
  const LinearCrossEntropyArgs& forward = args.forward;
  ShapeCheck check("LinearCrossEntropyBackward");
  Dim rows{"rows"}, hidden{"hidden", forward.head.k()}, vocab{"vocab", forward.head.n()};
  CheckForward(context, check, forward, rows);
  check.Match("weights", args.weights, {rows}).Type("weights", args.weights, {DType::kF32});
  check.Match("dx", args.dx, {rows, hidden}).Type("dx", args.dx, {DType::kF32});
  check.Match("dhead", args.dhead, {vocab, hidden}).Type("dhead", args.dhead, {DType::kF32});
  CHECK(args.head_columns.n() == hidden && args.head_columns.k() == vocab &&
            args.head_columns.dtype() == forward.head.dtype(),
        args.head_columns.n(), args.head_columns.k(), Name(args.head_columns.dtype()));
  ForEachBlock(context, forward, [&](const Block& block) {
    WorkspaceScope scratch(context.workspace);
    const TensorView dlogits = Differentiate(context, scratch, args, block);  // [count, vocab]
    Matmul(context, {.x = dlogits,
                     .x_scales = {},
                     .w = args.head_columns,
                     .y = args.dx.Rows(block.first, block.count)});  // [count, hidden]
    MatmulWeightGradient(context, {.dy = dlogits,
                                   .x = forward.x.Rows(block.first, block.count),
                                   .dw = args.dhead,
                                   .output = MatmulOutput::kAdd});  // [vocab, hidden]
  });
}

}  // namespace tandem
