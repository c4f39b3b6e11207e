#include "kernels/norm.h"

#include "kernels/core/shape_check.h"
#include "kernels/cpu/gradient.h"
#include "kernels/cpu/norm_backward_rows.h"
#include "kernels/cpu/norm_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

void RmsNorm(Context& context, const RmsNormArgs& args) {
  ShapeCheck check("RmsNorm");
  Dim rows{"rows"}, width{"width"};
  check.Match("x", args.x, {rows, width}).Type("x", args.x, {DType::kF32});
  check.Match("weight", args.weight, {width}).Type("weight", args.weight, {DType::kF32});
  check.Match("y", args.y, {rows, width}).Type("y", args.y, {DType::kF32, DType::kBf16});
  if (!args.delta.empty()) {
    check.Match("delta", args.delta, {rows, width}).Type("delta", args.delta, {DType::kF32});
  }
  if (RunOnDevice(context, &DeviceOps::rms_norm, "RmsNorm", args)) return;
  cpu::RmsNormRows work{
      .x = args.x.data<float>(),
      .weight = args.weight.data<float>(),
      .width = width,
      .eps = args.eps,
      .round_before_weight = args.cast == NormCast::kBeforeWeight,
  };
  if (!args.delta.empty()) work.delta = args.delta.data<float>();
  if (args.y.dtype() == DType::kF32) {
    work.y_f32 = args.y.data<float>();
  } else {
    work.y_bf16 = args.y.data<BFloat16>();
  }
  if (width == 0) return;
  cpu::RmsNormFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::RmsNorm, cpu::avx2::RmsNorm, cpu::avx512::RmsNorm);
  context.pool.ForRanges(rows, cpu::GrainRows(width),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void RmsNormBackward(Context& context, const RmsNormBackwardArgs& args) {
  ShapeCheck check("RmsNormBackward");
  Dim rows{"rows"}, width{"width"};
  check.Match("x", args.x, {rows, width}).Type("x", args.x, {DType::kF32});
  check.Match("weight", args.weight, {width}).Type("weight", args.weight, {DType::kF32});
  check.Match("dy", args.dy, {rows, width}).Type("dy", args.dy, {DType::kF32});
  check.Match("dx", args.dx, {rows, width}).Type("dx", args.dx, {DType::kF32});
  check.Match("dweight", args.dweight, {width}).Type("dweight", args.dweight, {DType::kF32});
  CHECK(args.output == GradientOutput::kStore || args.dx.bytes() != args.dy.bytes());
  if (RunOnDevice(context, &DeviceOps::rms_norm_backward, "RmsNormBackward", args)) return;
  const int64_t num_blocks = NumGradientBlocks(rows);
  WorkspaceScope scratch(context.workspace);
  const TensorView partials = scratch.TakeTensor(DType::kF32, {num_blocks, width});
  const cpu::RmsNormBackwardRows work{.x = args.x.data<float>(),
                                      .weight = args.weight.data<float>(),
                                      .dy = args.dy.data<float>(),
                                      .rows = rows,
                                      .block_rows = kGradientRows,
                                      .width = width,
                                      .eps = args.eps,
                                      .add = args.output == GradientOutput::kAdd,
                                      .dx = args.dx.data<float>(),
                                      .partials = partials.data<float>()};
  if (width == 0) return;
  cpu::RmsNormBackwardFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::RmsNormBackward, cpu::avx2::RmsNormBackward,
                  cpu::avx512::RmsNormBackward);
  context.pool.ForRanges(num_blocks, cpu::GrainRows(2 * width * kGradientRows),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
  cpu::SumBlocks(context, partials, args.dweight);
}

}  // namespace tandem
