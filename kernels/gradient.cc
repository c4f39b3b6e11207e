#include "kernels/gradient.h"

#include "kernels/core/shape_check.h"
#include "kernels/cpu/gradient.h"
#include "kernels/cpu/norm_backward_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

namespace cpu {

void SumBlocks(Context& context, ConstTensorView partials, TensorView sum) {
  const SumRowsBlocks work{.x = partials.data<float>(),
                           .rows = partials.dim(0),
                           .block_rows = partials.dim(0),
                           .width = partials.dim(1),
                           .partials = sum.data<float>()};
  SumRowsFunction* run = RowsOf(context.isa, portable::SumRows, avx2::SumRows, avx512::SumRows);
  const ScopedFlushDenormals flush;
  run(work, 0, 1);
}

}  // namespace cpu

void SumRows(Context& context, const SumRowsArgs& args) {
  ShapeCheck check("SumRows");
  Dim rows{"rows"}, width{"width"};
  check.Match("x", args.x, {rows, width}).Type("x", args.x, {DType::kF32});
  check.Match("y", args.y, {width}).Type("y", args.y, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::sum_rows, "SumRows", args)) return;
  const int64_t num_blocks = NumGradientBlocks(rows);
  WorkspaceScope scratch(context.workspace);
  const TensorView partials = scratch.TakeTensor(DType::kF32, {num_blocks, width});
  const cpu::SumRowsBlocks work{.x = args.x.data<float>(),
                                .rows = rows,
                                .block_rows = kGradientRows,
                                .width = width,
                                .partials = partials.data<float>()};
  cpu::SumRowsFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::SumRows, cpu::avx2::SumRows, cpu::avx512::SumRows);
  context.pool.ForRanges(num_blocks, cpu::GrainRows(width * kGradientRows),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
  cpu::SumBlocks(context, partials, args.y);
}

}  // namespace tandem
