#include "kernels/matmul.h"

#include "kernels/core/shape_check.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/matmul_backward.h"
#include "kernels/device_ops.h"

namespace tandem {

void Matmul(Context& context, const MatmulArgs& args) {
  Dim tokens{"tokens"};
  Dim n{"n", args.w.n()};
  Dim k{"k", args.w.k()};
  ShapeCheck check("Matmul");
  check.Match("x", args.x, {tokens, k}).Type("x", args.x, {args.w.input_dtype()});
  check.Match("y", args.y, {tokens, n}).Type("y", args.y, {DType::kF32});
  if (args.w.dtype() == DType::kI8) {
    check.Match("x_scales", args.x_scales, {tokens}).Type("x_scales", args.x_scales, {DType::kF32});
  }
  if (!args.bias.empty()) {
    check.Match("bias", args.bias, {n}).Type("bias", args.bias, {DType::kF32});
  }
  if (RunOnDevice(context, &DeviceOps::matmul, "Matmul", args)) return;
  cpu::Matmul(context, args);
}

void PrepareMatmul(Context& context, const PackedMatrix& w) {
  CHECK(w.device() == context.device, w.n(), w.k());
  RunOnDevice(context, &DeviceOps::prepare_matmul, "PrepareMatmul", PrepareMatmulArgs{w});
}

ProductCounts CountProducts(const Context& context) {
  if (context.device.kind == DeviceKind::kCpu) return {};
  const auto count = DeviceOpsOf(context.device.kind).count_products;
  return count == nullptr ? ProductCounts() : count(context);
}

std::string Describe(const ProductCounts& counts) {
  if (counts.library.empty()) return "";
  return counts.library + " for " + std::to_string(counts.by_library) + " of " +
         std::to_string(counts.shapes) + " shapes of matrices";
}

void PackColumns(Context& context, ConstTensorView w, PackedMatrix& packed) {
  Dim k{"k", packed.k()}, n{"n", packed.n()};
  ShapeCheck check("PackColumns");
  check.Match("w", w, {k, n}).Type("w", w, {DType::kF32, DType::kBf16});
  CHECK(packed.dtype() != DType::kI8, "PackColumns has no form for i8");
  const PackColumnsArgs args{.w = w, .packed = packed};
  if (RunOnDevice(context, &DeviceOps::pack_columns, "PackColumns", args)) return;
  cpu::PackColumns(context, w, packed.dtype(), packed.data());
}

void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args) {
  Dim tokens{"tokens"}, n{"n"}, k{"k"};
  ShapeCheck check("MatmulWeightGradient");
  check.Match("dy", args.dy, {tokens, n}).Type("dy", args.dy, {DType::kF32, DType::kBf16});
  check.Match("x", args.x, {tokens, k}).Type("x", args.x, {DType::kF32, DType::kBf16});
  check.Match("dw", args.dw, {n, k}).Type("dw", args.dw, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::matmul_weight_gradient, "MatmulWeightGradient", args)) {
    return;
  }
  cpu::MatmulWeightGradient(context, args);
}

}  // namespace tandem
