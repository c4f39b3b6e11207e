#include "kernels/matmul.h"

#include "kernels/core/shape_check.h"
#include "kernels/cpu/matmul.h"

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
  CHECK(context.device.kind == DeviceKind::kCpu);
  cpu::Matmul(context, args);
}

}  // namespace tandem
