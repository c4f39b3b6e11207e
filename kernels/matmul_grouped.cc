#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/activation.h"
#include "kernels/core/shape_check.h"
#include "kernels/core/workspace.h"
#include "kernels/cpu/matmul.h"
#include "kernels/device_ops.h"
#include "kernels/moe.h"

namespace tandem {
namespace {

void CheckOffsets(ConstTensorView given, int64_t num_rows) {
  const int32_t* offsets = given.data<int32_t>();
  const int64_t num_groups = given.dim(0) - 1;
  CHECK(offsets[0] == 0 && offsets[num_groups] == num_rows, offsets[0], offsets[num_groups]);
  for (int64_t group = 0; group < num_groups; ++group) {
    CHECK(offsets[group] <= offsets[group + 1], group, offsets[group], offsets[group + 1]);
  }
}

// Its rows of x in memory of `scratch`.
void Gather(Context& context, WorkspaceScope& scratch, MatmulGroupedArgs& args) {
  const Shape shape{args.rows.dim(0), args.x.dim(1)};
  const TensorView x(scratch.Take<std::byte>(shape.num_elements() * SizeOf(args.x.dtype())),
                     args.x.dtype(), shape);
  GatherRows(context, {.x = args.x, .rows = args.rows, .y = x});
  args.x = x;
  if (!args.x_scales.empty()) {
    const TensorView scales(scratch.Take<float>(shape[0]), Shape{shape[0]});
    GatherRows(context, {.x = args.x_scales, .rows = args.rows, .y = scales});
    args.x_scales = scales;
  }
  args.rows = {};
}

// Sorts rows, multiplies, and puts what comes out back where it belongs.
void RunUnsorted(Context& context, const MatmulGroupedArgs& args) {
  const int64_t num_rows = args.groups.dim(0),
                each = num_rows / std::max<int64_t>(args.x.dim(0), 1);
  const auto num_groups = static_cast<int32_t>(args.w.size());
  const int32_t* const groups = args.groups.data<int32_t>();
  std::vector<int32_t> offsets = {0}, order, rows;
  for (int32_t group = 0; group < num_groups; ++group) {
    for (int64_t row = 0; row < num_rows; ++row) {
      if (groups[row] == group) order.push_back(static_cast<int32_t>(row));
    }
    offsets.push_back(static_cast<int32_t>(order.size()));
  }
  CHECK(static_cast<int64_t>(order.size()) == num_rows, "a row of no group", num_rows);
  for (const int32_t row : order) rows.push_back(static_cast<int32_t>(row / each));
  WorkspaceScope scratch(context.workspace);
  MatmulGroupedArgs sorted = args;
  sorted.groups = {};
  sorted.offsets = ConstTensorView(offsets.data(), {num_groups + 1});
  sorted.rows = ConstTensorView(rows.data(), {num_rows});
  const TensorView to = args.activated.empty() ? args.y : args.activated;
  const TensorView from = scratch.TakeTensor(to.dtype(), to.shape());
  (args.activated.empty() ? sorted.y : sorted.activated) = from;
  MatmulGrouped(context, sorted);
  const int64_t row_bytes = to.dim(1) * SizeOf(to.dtype());
  for (int64_t i = 0; i < num_rows; ++i) {
    std::memcpy(to.bytes() + order[static_cast<size_t>(i)] * row_bytes,
                from.bytes() + i * row_bytes, static_cast<size_t>(row_bytes));
  }
}

}  // namespace

bool TakesUnsorted(const Context& context, int64_t tokens, int64_t top_k) {
  constexpr int64_t kMostTokens = 32;
  return context.device.kind != DeviceKind::kCpu && tokens <= kMostTokens &&
         tokens * top_k <= kMostUnsortedRows;
}

void MatmulGrouped(Context& context, const MatmulGroupedArgs& args) {
  const auto num_groups = static_cast<int64_t>(args.w.size());
  Dim num_rows{"num_rows"};
  Dim num_offsets{"num_groups + 1", num_groups + 1};
  ShapeCheck check("MatmulGrouped");
  if (args.groups.empty()) {
    check.Match("offsets", args.offsets, {num_offsets})
        .Type("offsets", args.offsets, {DType::kI32});
  } else {
    check.Match("groups", args.groups, {num_rows}).Type("groups", args.groups, {DType::kI32});
    CHECK(num_rows <= kMostUnsortedRows && args.rows.empty() && args.offsets.empty(),
          num_rows.value());
  }
  if (num_groups == 0) return;
  const PackedMatrix& first = args.w.front();
  Dim n{"n", first.n()};
  Dim k{"k", first.k()};
  Dim rows_of_x{"rows of x"};
  check.Match("x", args.x, {rows_of_x, k}).Type("x", args.x, {first.input_dtype()});
  if (!args.groups.empty()) {
    CHECK(rows_of_x > 0 ? num_rows % rows_of_x == 0 : num_rows == 0, num_rows.value(),
          rows_of_x.value());
  } else if (args.rows.empty()) {
    check.Match("x", args.x, {num_rows, k});
  } else {
    check.Match("rows", args.rows, {num_rows}).Type("rows", args.rows, {DType::kI32});
  }
  if (args.activated.empty()) {
    check.Match("y", args.y, {num_rows, n}).Type("y", args.y, {DType::kF32});
  } else {
    CHECK(args.y.empty() && n % 2 == 0, args.y.shape(), n.value());
    Dim width{"n / 2", n / 2};
    check.Match("activated", args.activated, {num_rows, width})
        .Type("activated", args.activated, {DType::kF32, DType::kBf16});
  }
  if (first.dtype() == DType::kI8) {
    check.Match("x_scales", args.x_scales, {rows_of_x})
        .Type("x_scales", args.x_scales, {DType::kF32});
  }
  for (const PackedMatrix& w : args.w) {
    CHECK(w.n() == n && w.k() == k && w.dtype() == first.dtype(), w.n(), w.k(), Name(w.dtype()));
  }
  if (RunOnDevice(context, &DeviceOps::matmul_grouped, "MatmulGrouped", args)) return;
  if (!args.groups.empty()) return RunUnsorted(context, args);
  CheckOffsets(args.offsets, num_rows);
  WorkspaceScope scratch(context.workspace);
  MatmulGroupedArgs product = args;
  if (!args.rows.empty()) Gather(context, scratch, product);
  if (!args.activated.empty()) {
    const Shape shape{num_rows, n};
    product.y = TensorView(scratch.Take<float>(shape.num_elements()), shape);
  }
  cpu::MatmulGrouped(context, product);
  if (!args.activated.empty()) {
    SiluMul(context, {.gate_up = product.y, .y = args.activated});
  }
}

void MatmulWeightGradientGrouped(Context& context, const MatmulWeightGradientGroupedArgs& args) {
  const auto num_groups = static_cast<int64_t>(args.dw.size());
  Dim num_rows{"num_rows"}, n{"n"}, k{"k"};
  Dim num_offsets{"num_groups + 1", num_groups + 1};
  ShapeCheck check("MatmulWeightGradientGrouped");
  check.Match("offsets", args.offsets, {num_offsets}).Type("offsets", args.offsets, {DType::kI32});
  check.Match("dy", args.dy, {num_rows, n}).Type("dy", args.dy, {DType::kF32, DType::kBf16});
  check.Match("x", args.x, {num_rows, k}).Type("x", args.x, {DType::kF32, DType::kBf16});
  for (Tensor& dw : args.dw) {
    check.Match("dw", dw.view(), {n, k}).Type("dw", dw.view(), {DType::kF32});
  }
  if (num_groups == 0) return;
  if (RunOnDevice(context, &DeviceOps::matmul_weight_gradient_grouped,
                  "MatmulWeightGradientGrouped", args)) {
    return;
  }
  CheckOffsets(args.offsets, num_rows);
  const int32_t* offsets = args.offsets.data<int32_t>();
  for (size_t group = 0; group < args.dw.size(); ++group) {
    const int64_t first = offsets[group], count = offsets[group + 1] - first;
    MatmulWeightGradient(
        context,
        {.dy = args.dy.Rows(first, count), .x = args.x.Rows(first, count), .dw = args.dw[group]});
  }
}

}  // namespace tandem
