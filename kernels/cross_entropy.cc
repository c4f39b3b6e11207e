#include "kernels/cross_entropy.h"

#include <algorithm>
#include <limits>
#include <span>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/cross_entropy_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/sampling.h"

namespace tandem {
namespace {

void CheckForward(ShapeCheck& check, const LinearCrossEntropyArgs& args, Dim& rows) {
  Dim hidden{"hidden", args.head.k()};
  check.Match("x", args.x, {rows, hidden}).Type("x", args.x, {args.head.input_dtype()});
  check.Match("targets", args.targets, {rows}).Type("targets", args.targets, {DType::kI32});
  check.Match("losses", args.losses, {rows}).Type("losses", args.losses, {DType::kF32});
  CHECK(args.head.dtype() != DType::kI8, "a head of i8 weights has no gradient");
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
  TensorView logits;                    // [count, vocab], f32
  std::span<RowStatistics> statistics;  // [count]
};

// Calls `then` for each block in ascending order.
template <typename Then>
void ForEachBlock(Context& context, const LinearCrossEntropyArgs& args, Then then) {
  const int64_t rows = args.x.dim(0), vocab = args.head.n();
  const int64_t block_rows = std::min(rows, kCrossEntropyRows);
  WorkspaceScope scratch(context.workspace);
  float* logits = scratch.Take<float>(block_rows * vocab);
  auto* statistics = scratch.Take<RowStatistics>(block_rows);
  for (int64_t first = 0; first < rows; first += kCrossEntropyRows) {
    const int64_t count = std::min(rows - first, kCrossEntropyRows);
    const Block block{first, count, TensorView(logits, Shape{count, vocab}),
                      std::span(statistics, static_cast<size_t>(count))};
    Matmul(context, {.x = args.x.Rows(first, count),
                     .x_scales = {},
                     .w = args.head,
                     .y = block.logits});  // [count, vocab]
    LogSoftmaxStatistics(context, block.logits, 1.0f, block.statistics);
    for (int64_t i = 0; i < count; ++i) {
      const float logit = logits[i * vocab + args.targets.data<int32_t>()[first + i]];
      args.losses.data<float>()[first + i] = statistics[i].finite
                                                 ? -statistics[i].LogProb(logit)
                                                 : std::numeric_limits<float>::quiet_NaN();
    }
    then(block);
  }
}

// From the block's logits to their gradients, in x's dtype; f32 in place.
TensorView Differentiate(Context& context, WorkspaceScope& scratch,
                         const LinearCrossEntropyBackwardArgs& args, const Block& block) {
  const int64_t vocab = block.logits.dim(1);
  float* maxima = scratch.Take<float>(2 * block.count);
  float* log_sums = maxima + block.count;
  for (int64_t i = 0; i < block.count; ++i) {
    maxima[i] = block.statistics[static_cast<size_t>(i)].max;
    log_sums[i] = block.statistics[static_cast<size_t>(i)].log_sum;
  }
  cpu::CrossEntropyRows work{.logits = block.logits.data<float>(),
                             .vocab = vocab,
                             .maxima = maxima,
                             .log_sums = log_sums,
                             .targets = args.forward.targets.data<int32_t>() + block.first,
                             .weights = args.weights.data<float>() + block.first};
  TensorView gradient = block.logits;
  if (args.forward.x.dtype() == DType::kBf16) {
    gradient = {scratch.Take<BFloat16>(block.logits.num_elements()), block.logits.shape()};
    work.d_bf16 = gradient.data<BFloat16>();
  } else {
    work.d_f32 = gradient.data<float>();
  }
  cpu::CrossEntropyFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::CrossEntropyBackward, cpu::avx2::CrossEntropyBackward,
                  cpu::avx512::CrossEntropyBackward);
  context.pool.ForRanges(block.count, cpu::GrainRows(4 * vocab),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
  return gradient;
}

}  // namespace

void LinearCrossEntropy(Context& context, const LinearCrossEntropyArgs& args) {
  ShapeCheck check("LinearCrossEntropy");
  Dim rows{"rows"};
  CheckForward(check, args, rows);
  ForEachBlock(context, args, [](const Block&) {});
}

void LinearCrossEntropyBackward(Context& context, const LinearCrossEntropyBackwardArgs& args) {
  const LinearCrossEntropyArgs& forward = args.forward;
  ShapeCheck check("LinearCrossEntropyBackward");
  Dim rows{"rows"}, hidden{"hidden", forward.head.k()}, vocab{"vocab", forward.head.n()};
  CheckForward(check, forward, rows);
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
