#include "kernels/cross_entropy_block.h"

#include <limits>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/cross_entropy_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"
#include "kernels/sampling.h"

namespace tandem {

void CrossEntropyLoss(Context& context, const CrossEntropyLossArgs& args) {
  ShapeCheck check("CrossEntropyLoss");
  Dim rows{"rows"}, vocab{"vocab"}, two{"two", 2};
  check.Match("logits", args.logits, {rows, vocab}).Type("logits", args.logits, {DType::kF32});
  check.Match("statistics", args.statistics, {rows, two})
      .Type("statistics", args.statistics, {DType::kF32});
  check.Match("targets", args.targets, {rows}).Type("targets", args.targets, {DType::kI32});
  check.Match("losses", args.losses, {rows}).Type("losses", args.losses, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::cross_entropy_loss, "CrossEntropyLoss", args)) return;
  const float* logits = args.logits.data<float>();
  const int32_t* targets = args.targets.data<int32_t>();
  float* losses = args.losses.data<float>();
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t target = targets[row];
    losses[row] = target >= 0 && target < vocab
                      ? -StatisticsOf(args.statistics, row).LogProb(logits[row * vocab + target])
                      : std::numeric_limits<float>::quiet_NaN();
  }
}

void CrossEntropyGradient(Context& context, const CrossEntropyGradientArgs& args) {
  ShapeCheck check("CrossEntropyGradient");
  Dim rows{"rows"}, vocab{"vocab"}, two{"two", 2};
  check.Match("logits", args.logits, {rows, vocab}).Type("logits", args.logits, {DType::kF32});
  check.Match("statistics", args.statistics, {rows, two})
      .Type("statistics", args.statistics, {DType::kF32});
  check.Match("targets", args.targets, {rows}).Type("targets", args.targets, {DType::kI32});
  check.Match("weights", args.weights, {rows}).Type("weights", args.weights, {DType::kF32});
  check.Match("gradient", args.gradient, {rows, vocab})
      .Type("gradient", args.gradient, {DType::kF32, DType::kBf16});
  if (RunOnDevice(context, &DeviceOps::cross_entropy_gradient, "CrossEntropyGradient", args)) {
    return;
  }
  cpu::CrossEntropyRows work{.logits = args.logits.data<float>(),
                             .vocab = vocab,
                             .statistics = args.statistics.data<float>(),
                             .targets = args.targets.data<int32_t>(),
                             .weights = args.weights.data<float>()};
  if (args.gradient.dtype() == DType::kBf16) {
    work.d_bf16 = args.gradient.data<BFloat16>();
  } else {
    work.d_f32 = args.gradient.data<float>();
  }
  cpu::CrossEntropyFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::CrossEntropyBackward, cpu::avx2::CrossEntropyBackward,
                  cpu::avx512::CrossEntropyBackward);
  context.pool.ForRanges(rows, cpu::GrainRows(4 * vocab),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

}  // namespace tandem
