#include "tests/bench/free_runs.h"

#include "tests/bench/free_set.h"

namespace tandem {

FreeSet FreeSetOf(InstructionSet isa) {
  switch (isa) {
    case InstructionSet::kPortable:
      return {cpu::free_portable::kFreeRows, cpu::free_portable::kFreeMatmul,
              cpu::free_portable::kFreeF32, cpu::free_portable::kFreeBf16};
    case InstructionSet::kAvx2:
      return {cpu::free_avx2::kFreeRows, cpu::free_avx2::kFreeMatmul, cpu::free_avx2::kFreeF32,
              cpu::free_avx2::kFreeBf16};
    case InstructionSet::kAvx512:
      return {cpu::free_avx512::kFreeRows, cpu::free_avx512::kFreeMatmul,
              cpu::free_avx512::kFreeF32, cpu::free_avx512::kFreeBf16};
    case InstructionSet::kAvx512Bf16:
      return {cpu::free_avx512::kFreeRows, cpu::free_avx512_bf16::kFreeMatmul,
              cpu::free_avx512::kFreeF32, cpu::free_avx512_bf16::kFreeBf16};
    case InstructionSet::kAmx:  // attention widens bf16 there, as the product's does
      break;
  }
  return {cpu::free_avx512::kFreeRows, cpu::free_avx512_bf16::kFreeMatmul,
          cpu::free_avx512::kFreeF32, cpu::free_avx512::kFreeBf16};
}

std::vector<FreeVersion> FreeVersionsOf(OpRun& op) {
  if (auto* norm = dynamic_cast<NormOp*>(&op)) return {NormVersion(*norm)};
  if (auto* silu = dynamic_cast<SiluMulOp*>(&op)) return {SiluMulVersion(*silu)};
  if (auto* combine = dynamic_cast<MoeCombineOp*>(&op)) return {CombineVersion(*combine)};
  if (auto* log_softmax = dynamic_cast<LogSoftmaxOp*>(&op)) {
    return {{"4 sums, fma, rows split",
             [=](Context& context) { RunLogSoftmax(context, *log_softmax); }}};
  }
  if (auto* sample = dynamic_cast<SampleOp*>(&op)) {
    const SampleRow& row = sample->rows.front();
    if (row.temperature == 0 || row.top_k > 0 || row.top_p < 1) return {};
    return {{"float sums", [=](Context& context) { RunSample(context, *sample); }}};
  }
  if (auto* matmul = dynamic_cast<MatmulOp*>(&op)) {
    const bool has_order =
        matmul->shape.weights == DType::kF32 || matmul->shape.weights == DType::kBf16;
    if (matmul->shape.tokens != 1 || !has_order) return {};
    return {
        {"4 sums", [=](Context& context) { RunMatmul(context, *matmul, MatmulSplit::kPanels); }},
        {"4 sums, k split",
         [=](Context& context) { RunMatmul(context, *matmul, MatmulSplit::kInputs); }}};
  }
  if (auto* attention = dynamic_cast<AttentionOp*>(&op)) {
    return {{"no segments, fma", [=](Context& context) { RunAttention(context, *attention); }}};
  }
  return {};
}

}  // namespace tandem
