#include "kernels/activation.h"

#include "kernels/core/shape_check.h"
#include "kernels/cpu/activation_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

void SiluMul(Context& context, const SiluMulArgs& args) {
  ShapeCheck check("SiluMul");
  Dim tokens{"tokens"}, width{"width"};
  check.Match("y", args.y, {tokens, width}).Type("y", args.y, {DType::kF32, DType::kBf16});
  Dim both{"2 * width", 2 * width};
  check.Match("gate_up", args.gate_up, {tokens, both}).Type("gate_up", args.gate_up, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::silu_mul, "SiluMul", args)) return;
  cpu::SiluMulRows work{.gate_up = args.gate_up.data<float>(), .width = width};
  if (args.y.dtype() == DType::kF32) {
    work.y_f32 = args.y.data<float>();
  } else {
    work.y_bf16 = args.y.data<BFloat16>();
  }
  cpu::SiluMulFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::SiluMul, cpu::avx2::SiluMul, cpu::avx512::SiluMul);
  context.pool.ForRanges(tokens, cpu::GrainRows(4 * width),  // an exponential and a division each
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void SiluMulBackward(Context& context, const SiluMulBackwardArgs& args) {
  ShapeCheck check("SiluMulBackward");
  Dim tokens{"tokens"}, width{"width"};
  check.Match("dy", args.dy, {tokens, width}).Type("dy", args.dy, {DType::kF32});
  Dim both{"2 * width", 2 * width};
  check.Match("gate_up", args.gate_up, {tokens, both}).Type("gate_up", args.gate_up, {DType::kF32});
  check.Match("dgate_up", args.dgate_up, {tokens, both})
      .Type("dgate_up", args.dgate_up, {DType::kF32, DType::kBf16});
  if (RunOnDevice(context, &DeviceOps::silu_mul_backward, "SiluMulBackward", args)) return;
  cpu::SiluMulBackwardRows work{
      .gate_up = args.gate_up.data<float>(), .dy = args.dy.data<float>(), .width = width};
  if (args.dgate_up.dtype() == DType::kF32) {
    work.d_f32 = args.dgate_up.data<float>();
  } else {
    work.d_bf16 = args.dgate_up.data<BFloat16>();
  }
  cpu::SiluMulBackwardFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::SiluMulBackward, cpu::avx2::SiluMulBackward,
                  cpu::avx512::SiluMulBackward);
  context.pool.ForRanges(tokens, cpu::GrainRows(6 * width),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void Add(Context& context, const AddArgs& args) {
  CHECK(args.x.shape() == args.y.shape(), args.x.shape(), args.y.shape());
  if (RunOnDevice(context, &DeviceOps::add, "Add", args)) return;
  const float* x = args.x.data<float>();
  float* y = args.y.data<float>();
  cpu::AddFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::Add, cpu::avx2::Add, cpu::avx512::Add);
  context.pool.ForRanges(args.y.num_elements(), cpu::GrainRows(1),
                         [&](int64_t begin, int64_t end) { run(x, y, begin, end); });
}

}  // namespace tandem
