#include "kernels/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/adamw_elements.h"
#include "kernels/core/check.h"
#include "kernels/cpu/optimizer_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

namespace {

// body(i) for every element.
template <typename Body>
void ForElements(Context& context, int64_t count, const Body& body) {
  constexpr int64_t kGrain = 16384;
  context.pool.ForRanges(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

}  // namespace

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

void Scale(Context& context, const ScaleArgs& args) {
  CHECK(args.x.dtype() == DType::kF32, Name(args.x.dtype()));
  if (RunOnDevice(context, &DeviceOps::scale, "Scale", args)) return;
  float* const x = args.x.data<float>();
  ForElements(context, args.x.num_elements(), [=, factor = args.factor](int64_t i) {
    x[i] = static_cast<float>(static_cast<double>(x[i]) * factor);
  });
}

void Combine(Context& context, const CombineArgs& args) {
  CHECK(args.x.shape() == args.y.shape(), args.x.shape(), args.y.shape());
  if (RunOnDevice(context, &DeviceOps::combine, "Combine", args)) return;
  const float* const x = args.x.data<float>();
  float* const y = args.y.data<float>();
  const float of_x = args.x_factor, of_y = args.y_factor;
  ForElements(context, args.y.num_elements(), [=](int64_t i) { y[i] = of_y * y[i] + of_x * x[i]; });
}

void Nesterov(Context& context, const NesterovArgs& args) {
  const Shape& shape = args.gradient.shape();
  CHECK(args.m.shape() == shape && args.update.shape() == shape, args.m.shape(),
        args.update.shape(), shape);
  if (RunOnDevice(context, &DeviceOps::nesterov, "Nesterov", args)) return;
  const float* const gradient = args.gradient.data<float>();
  float* const m = args.m.data<float>();
  float* const update = args.update.data<float>();
  const float scale = args.scale;
  const auto momentum = static_cast<float>(args.momentum);
  const auto rest = static_cast<float>(1.0 - args.momentum);
  ForElements(context, shape.num_elements(), [=](int64_t i) {
    const float g = gradient[i] * scale;
    m[i] += rest * (g - m[i]);
    update[i] = g + momentum * (m[i] - g);
  });
}

}  // namespace tandem
