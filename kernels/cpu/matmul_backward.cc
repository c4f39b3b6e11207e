// dw = dy^T x by the kernels of Matmul: the rows are those of dy^T, the panels hold x^T, and the
// tokens take the place of k. Turning both over costs tokens * (n + k) moves beside tokens * n * k
// products.

#include "kernels/cpu/matmul_backward.h"

#include <algorithm>

#include "kernels/cpu/matmul_grid.h"
#include "kernels/cpu/matmul_input.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/cpu/transpose_rows.h"

namespace tandem::cpu {
namespace {

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t GroupOf(DType dtype) { return dtype == DType::kBf16 ? 2 : 1; }

int64_t PanelBytes(int64_t k, DType dtype) {
  return RoundUp(k, GroupOf(dtype)) * PackedMatrix::kPanel * SizeOf(dtype);
}

// x^T in `dtype`, its rows padded with zeros to a multiple of `multiple`.
TensorView TransposeOf(Context& context, WorkspaceScope& scope, ConstTensorView x, DType dtype,
                       int64_t multiple) {
  const int64_t rows = x.dim(0), columns = x.dim(1);
  // Rows that are a multiple of 4 KiB apart would share the same few places of the first cache.
  int64_t padded = RoundUp(rows, multiple);
  if (padded * SizeOf(dtype) % 4096 == 0) padded += std::max<int64_t>(multiple, 32);
  const Shape shape{columns, padded};
  const TensorView y(scope.Take<std::byte>(shape.num_elements() * SizeOf(dtype)), dtype, shape);
  const TransposeWork work{.x = x.bytes(),
                           .from = x.dtype(),
                           .rows = rows,
                           .columns = columns,
                           .y = y.bytes(),
                           .to = dtype,
                           .y_columns = shape[1]};
  TransposeFunction* run =
      RowsOf(context.isa, portable::Transpose, avx2::Transpose, avx512::Transpose);
  context.pool.ForRanges((columns + kTransposeBlock - 1) / kTransposeBlock,
                         GrainRows(kTransposeBlock * rows),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
  return y;
}

}  // namespace

void PackColumns(Context& context, ConstTensorView w, DType dtype, std::byte* panels) {
  const int64_t rows = w.dim(0), columns = w.dim(1);
  const PackColumnsWork work{.x = w.bytes(),
                             .from = w.dtype(),
                             .rows = rows,
                             .columns = columns,
                             .panels = panels,
                             .to = dtype,
                             .panel_bytes = PanelBytes(rows, dtype)};
  PackColumnsFunction* run =
      RowsOf(context.isa, portable::PackColumns, avx2::PackColumns, avx512::PackColumns);
  const int64_t num_panels = RoundUp(columns, PackedMatrix::kPanel) / PackedMatrix::kPanel;
  context.pool.ForRanges(num_panels, GrainRows(PackedMatrix::kPanel * rows),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args) {
  const int64_t tokens = args.x.dim(0), k = args.x.dim(1), n = args.dy.dim(1);
  if (n == 0 || k == 0) return;
  const DType dtype = args.x.dtype();
  const MatmulKernel& kernel = FindMatmulKernel(context.isa, dtype);
  WorkspaceScope scope(context.workspace);
  const TensorView dy = TransposeOf(context, scope, args.dy, dtype, kernel.k_multiple);
  const int64_t num_panels = RoundUp(k, PackedMatrix::kPanel) / PackedMatrix::kPanel;
  const int64_t panel_bytes = PanelBytes(tokens, dtype);
  auto* panels = scope.Take<std::byte>(num_panels * panel_bytes);
  PackColumns(context, args.x, dtype, panels);
  const MatmulInput input = PrepareMatmulInput(context, scope, kernel, dy);
  const MatmulOperands operands{.x = input.rows,
                                .x_row_bytes = input.row_bytes,
                                .x_scales = nullptr,
                                .w = panels,
                                .panel_bytes = panel_bytes,
                                .num_groups = RoundUp(tokens, GroupOf(dtype)) / GroupOf(dtype),
                                .w_scales = nullptr,
                                .w_sums = nullptr,
                                .bias = nullptr,
                                .y = args.dw.data<float>(),
                                .n = k,
                                .add_to_y = args.output == MatmulOutput::kAdd};
  RunMatmul(context, kernel, operands, tokens, n);
}

}  // namespace tandem::cpu
