// Norm, gate and combine: the product's rows and the free ones through one driver.

#include "kernels/cpu/rows_of.h"
#include "tests/bench/free_set.h"

namespace tandem {
namespace {

void RunNorm(Context& context, NormOp& op, cpu::RmsNormFunction* run) {
  cpu::RmsNormRows work{.x = op.x.data<float>(),
                        .delta = op.delta.empty() ? nullptr : op.delta.data<float>(),
                        .weight = op.weight.data<float>(),
                        .width = op.shape.width,
                        .eps = op.eps,
                        .round_before_weight = op.shape.cast == NormCast::kBeforeWeight};
  if (op.shape.y == DType::kF32) {
    work.y_f32 = op.y.data<float>();
  } else {
    work.y_bf16 = op.y.data<BFloat16>();
  }
  context.pool.ForRanges(op.shape.rows, cpu::GrainRows(op.shape.width),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void RunSiluMul(Context& context, SiluMulOp& op, cpu::SiluMulFunction* run) {
  const cpu::SiluMulRows work{.gate_up = op.gate_up.data<float>(),
                              .width = op.shape.width,
                              .y_bf16 = op.y.data<BFloat16>()};
  context.pool.ForRanges(op.shape.tokens, cpu::GrainRows(4 * op.shape.width),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void RunCombine(Context& context, MoeCombineOp& op, cpu::MoeCombineFunction* run) {
  const cpu::MoeCombineRows work{.y_rows = op.y_rows.data<float>(),
                                 .row_of = op.row_of.data<int32_t>(),
                                 .weights = op.weights.data<float>(),
                                 .shared = op.shared.empty() ? nullptr : op.shared.data<float>(),
                                 .top_k = op.shape.top_k,
                                 .width = op.shape.width,
                                 .y = op.y.data<float>()};
  context.pool.ForRanges(op.shape.tokens, cpu::GrainRows(op.shape.width * (op.shape.top_k + 1)),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

}  // namespace

FreeVersion NormVersion(NormOp& op, Products products) {
  return {.freedom = products == Products::kFused ? "4 sums, fma" : "4 sums",
          .free = [&op, products](
                      Context& c) { RunNorm(c, op, FreeSetOf(c.isa, products).rows.rms_norm); },
          .fixed =
              [&op](Context& c) {
                RunNorm(c, op,
                        cpu::RowsOf(c.isa, cpu::portable::RmsNorm, cpu::avx2::RmsNorm,
                                    cpu::avx512::RmsNorm));
              }};
}

FreeVersion SiluMulVersion(SiluMulOp& op) {
  return {.freedom = "fma",
          .free =
              [&op](Context& c) {
                RunSiluMul(c, op, FreeSetOf(c.isa, Products::kFused).rows.silu_mul);
              },
          .fixed =
              [&op](Context& c) {
                RunSiluMul(c, op,
                           cpu::RowsOf(c.isa, cpu::portable::SiluMul, cpu::avx2::SiluMul,
                                       cpu::avx512::SiluMul));
              }};
}

FreeVersion CombineVersion(MoeCombineOp& op, Products products) {
  return {
      .freedom = products == Products::kFused ? "any order, fma" : "any order",
      .free = [&op, products](
                  Context& c) { RunCombine(c, op, FreeSetOf(c.isa, products).rows.moe_combine); },
      .fixed =
          [&op](Context& c) {
            RunCombine(c, op,
                       cpu::RowsOf(c.isa, cpu::portable::MoeCombine, cpu::avx2::MoeCombine,
                                   cpu::avx512::MoeCombine));
          }};
}

}  // namespace tandem
