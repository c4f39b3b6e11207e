#include "kernels/norm.h"

#include "kernels/core/shape_check.h"
#include "kernels/cpu/norm_rows.h"
#include "kernels/cpu/rows_of.h"

namespace tandem {

void RmsNorm(Context& context, const RmsNormArgs& args) {
  ShapeCheck check("RmsNorm");
  Dim rows{"rows"}, width{"width"};
  check.Match("x", args.x, {rows, width}).Type("x", args.x, {DType::kF32});
  check.Match("weight", args.weight, {width}).Type("weight", args.weight, {DType::kF32});
  check.Match("y", args.y, {rows, width}).Type("y", args.y, {DType::kF32, DType::kBf16});
  cpu::RmsNormRows work{
      .x = args.x.data<float>(),
      .weight = args.weight.data<float>(),
      .width = width,
      .eps = args.eps,
      .round_before_weight = args.cast == NormCast::kBeforeWeight,
  };
  if (!args.delta.empty()) {
    check.Match("delta", args.delta, {rows, width}).Type("delta", args.delta, {DType::kF32});
    work.delta = args.delta.data<float>();
  }
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

}  // namespace tandem
