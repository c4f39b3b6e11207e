#include "kernels/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/adamw_elements.h"
#include "kernels/core/check.h"
#include "kernels/cpu/optimizer_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

AdamWElements ElementsOf(const AdamWArgs& args) {
  const auto step = static_cast<double>(args.step);
  const double correction1 = 1.0 - std::pow(args.beta1, step);
  const double correction2 = 1.0 - std::pow(args.beta2, step);
  return {
      .weights = args.weights.data<float>(),
      .gradient = args.gradient.data<float>(),
      .m = args.m.data<float>(),
      .v = args.v.data<float>(),
      .scale = args.scale,
      .keep = static_cast<float>(1.0 - args.rate * args.decay),
      .one_minus_beta1 = static_cast<float>(1.0 - args.beta1),
      .beta2 = static_cast<float>(args.beta2),
      .one_minus_beta2 = static_cast<float>(1.0 - args.beta2),
      .inverse_root = static_cast<float>(1.0 / std::sqrt(correction2)),
      .eps = static_cast<float>(args.eps),
      .step_size = static_cast<float>(args.rate / correction1),
  };
}

void AdamW(Context& context, const AdamWArgs& args) {
  const Shape& shape = args.weights.shape();
  CHECK(args.gradient.shape() == shape, args.gradient.shape(), shape);
  CHECK(args.m.shape() == shape && args.v.shape() == shape, args.m.shape(), args.v.shape(), shape);
  CHECK(args.step >= 1, args.step);
  if (RunOnDevice(context, &DeviceOps::adamw, "AdamW", args)) return;
  const AdamWElements work = ElementsOf(args);
  cpu::AdamWFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::AdamW, cpu::avx2::AdamW, cpu::avx512::AdamW);
  constexpr int64_t kStrip = 16;  // threads share no vector
  const int64_t count = shape.num_elements();
  context.pool.ForRanges((count + kStrip - 1) / kStrip, cpu::GrainRows(4 * kStrip),
                         [&](int64_t begin, int64_t end) {
                           run(work, begin * kStrip, std::min(end * kStrip, count));
                         });
}

double SumOfSquares(Context& context, ConstTensorView x) {
  double sum = 0;
  const SumOfSquaresArgs args{.x = x, .result = &sum};
  if (RunOnDevice(context, &DeviceOps::sum_of_squares, "SumOfSquares", args)) return sum;
  const int64_t count = x.num_elements();
  const int64_t num_blocks = (count + kSquaresBlock - 1) / kSquaresBlock;
  WorkspaceScope scratch(context.workspace);
  const cpu::SquareBlocks work{.x = x.data<float>(),
                               .count = count,
                               .block = kSquaresBlock,
                               .sums = scratch.Take<float>(num_blocks)};
  cpu::SumOfSquaresFunction* run = cpu::RowsOf(context.isa, cpu::portable::SumOfSquares,
                                               cpu::avx2::SumOfSquares, cpu::avx512::SumOfSquares);
  context.pool.ForRanges(num_blocks, cpu::GrainRows(kSquaresBlock),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
  for (int64_t i = 0; i < num_blocks; ++i) sum += static_cast<double>(work.sums[i]);
  return sum;
}

}  // namespace tandem
