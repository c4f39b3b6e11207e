// dw = dy^T x by the kernels of Matmul: the rows are those of dy^T, the panels hold x^T, and the
// tokens take the place of k. Turning both over costs tokens * (n + k) moves beside tokens * n * k
// products. With AMX, dy is turned over inside the product, block by block.

#include "kernels/cpu/matmul_backward.h"

#include <algorithm>
#include <atomic>

#include "kernels/cpu/matmul_backward_amx.h"
#include "kernels/cpu/matmul_grid.h"
#include "kernels/cpu/matmul_input.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/cpu/transpose_rows.h"
#include "kernels/quantize.h"

namespace tandem::cpu {
namespace {

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t DivideUp(int64_t value, int64_t by) { return (value + by - 1) / by; }

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

#if defined(__x86_64__)
// dy as AmxGradientOperands has it.
const std::byte* Rounded(Context& context, WorkspaceScope& scope, ConstTensorView dy) {
  if (dy.dtype() == DType::kBf16) return dy.bytes();
  const TensorView rounded(scope.Take<BFloat16>(dy.num_elements()), dy.shape());
  Convert(context, {.x = dy, .y = rounded});
  return rounded.bytes();
}

void AmxWeightGradient(Context& context, const MatmulWeightGradientArgs& args) {
  const int64_t tokens = args.x.dim(0), k = args.x.dim(1), n = args.dy.dim(1);
  WorkspaceScope scope(context.workspace);
  const int64_t num_panels = DivideUp(k, kAmxPanelColumns);
  const int64_t num_pairs = RoundUp(tokens, kAmxGradientTokens) / 2;
  // Panels a power of two apart would share the same few places of the second cache.
  const int64_t panel_bytes = (num_pairs + 1) * 4 * kAmxPanelColumns;
  auto* panels = scope.Take<std::byte>(num_panels * panel_bytes);
  context.pool.ForRanges(num_pairs, GrainRows(2 * k), [&](int64_t begin, int64_t end) {
    PackAmxPanels(args.x.bytes(), tokens, k, begin, end, panels, panel_bytes);
  });
  const AmxGradientOperands operands{.dy = Rounded(context, scope, args.dy),
                                     .tokens = tokens,
                                     .n = n,
                                     .panels = panels,
                                     .panel_bytes = panel_bytes,
                                     .dw = args.dw.data<float>(),
                                     .k = k,
                                     .add_to_dw = args.output == MatmulOutput::kAdd};
  // As many blocks of rows as give every thread the same.
  const int num_threads = context.pool.num_threads();
  const int64_t row_parts = RoundUp(DivideUp(n, kAmxGradientRows), num_threads);
  const int64_t block_rows = RoundUp(DivideUp(n, row_parts), 32);
  const int64_t panel_parts = DivideUp(num_panels, kAmxGradientPanels);
  const int64_t num_blocks = DivideUp(n, block_rows) * panel_parts;
  const int64_t scratch_bytes = RoundUp(kAmxGradientScratchBytes, 64);
  auto* scratch = scope.Take<std::byte>(num_threads * scratch_bytes);
  std::atomic<int64_t> next{0};
  context.pool.Run([&](int thread, int) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < num_blocks;) {
      const int64_t row = i / panel_parts * block_rows;
      const int64_t panel = i % panel_parts * kAmxGradientPanels;
      RunAmxGradient(operands,
                     {row, std::min(row + block_rows, n), panel,
                      std::min(panel + kAmxGradientPanels, num_panels)},
                     scratch + thread * scratch_bytes);
    }
  });
}
#endif

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
  context.pool.ForRanges(DivideUp(columns, PackedMatrix::kPanel),
                         GrainRows(PackedMatrix::kPanel * rows),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args) {
  const int64_t tokens = args.x.dim(0), k = args.x.dim(1), n = args.dy.dim(1);
  if (n == 0 || k == 0) return;
  const DType dtype = args.x.dtype();
#if defined(__x86_64__)
  if (context.isa == InstructionSet::kAmx && dtype == DType::kBf16) {
    AmxWeightGradient(context, args);
    return;
  }
#endif
  const MatmulKernel& kernel = FindMatmulKernel(context.isa, dtype);
  WorkspaceScope scope(context.workspace);
  const TensorView dy = TransposeOf(context, scope, args.dy, dtype, kernel.k_multiple);
  const int64_t num_panels = DivideUp(k, PackedMatrix::kPanel);
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
