#include "tests/bench/free_runs.h"

#include "tests/bench/free_set.h"

namespace tandem {
namespace {

FreeSet SumsSetOf(InstructionSet isa) {
  switch (isa) {
    case InstructionSet::kPortable: {
      using namespace cpu::free_sums_portable;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAvx2: {
      using namespace cpu::free_sums_avx2;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAvx512: {
      using namespace cpu::free_sums_avx512;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAvx512Bf16: {
      using namespace cpu::free_sums_avx512_bf16;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAmx:  // attention widens bf16 there, as the product's does
      break;
  }
  return {cpu::free_sums_avx512::kFreeRows, cpu::free_sums_avx512_bf16::kFreeMatmul,
          cpu::free_sums_avx512::kFreeF32, cpu::free_sums_avx512::kFreeBf16};
}

FreeSet FmaSetOf(InstructionSet isa) {
  switch (isa) {
    case InstructionSet::kPortable: {
      using namespace cpu::free_fma_portable;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAvx2: {
      using namespace cpu::free_fma_avx2;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAvx512: {
      using namespace cpu::free_fma_avx512;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAvx512Bf16: {
      using namespace cpu::free_fma_avx512_bf16;
      return {kFreeRows, kFreeMatmul, kFreeF32, kFreeBf16};
    }
    case InstructionSet::kAmx:  // attention widens bf16 there, as the product's does
      break;
  }
  return {cpu::free_fma_avx512::kFreeRows, cpu::free_fma_avx512_bf16::kFreeMatmul,
          cpu::free_fma_avx512::kFreeF32, cpu::free_fma_avx512::kFreeBf16};
}

// `run(context, products)` with products apart, then fused.
template <typename Run>
std::vector<FreeVersion> ApartAndFused(const std::string& freedom, Run run) {
  return {{freedom, [=](Context& context) { run(context, Products::kApart); }},
          {freedom + ", fma", [=](Context& context) { run(context, Products::kFused); }}};
}

}  // namespace

FreeSet FreeSetOf(InstructionSet isa, Products products) {
  return products == Products::kFused ? FmaSetOf(isa) : SumsSetOf(isa);
}

std::vector<FreeVersion> FreeVersionsOf(OpRun& op) {
  if (auto* norm = dynamic_cast<NormOp*>(&op)) {
    return {NormVersion(*norm, Products::kApart), NormVersion(*norm, Products::kFused)};
  }
  if (auto* silu = dynamic_cast<SiluMulOp*>(&op)) return {SiluMulVersion(*silu)};
  if (auto* combine = dynamic_cast<MoeCombineOp*>(&op)) {
    return {CombineVersion(*combine, Products::kApart), CombineVersion(*combine, Products::kFused)};
  }
  if (auto* log_softmax = dynamic_cast<LogSoftmaxOp*>(&op)) {
    return ApartAndFused("4 sums, rows split", [=](Context& context, Products products) {
      RunLogSoftmax(context, *log_softmax, products);
    });
  }
  if (auto* sample = dynamic_cast<SampleOp*>(&op)) {
    const SampleRow& row = sample->rows.front();
    if (row.temperature == 0 || row.top_k > 0 || row.top_p < 1) return {};
    return ApartAndFused("float sums", [=](Context& context, Products products) {
      RunSample(context, *sample, products);
    });
  }
  if (auto* matmul = dynamic_cast<MatmulOp*>(&op)) {  // multiply-adds are fused in the product too
    const DType weights = matmul->shape.weights;
    if (matmul->shape.tokens != 1 || (weights != DType::kF32 && weights != DType::kBf16)) return {};
    return {
        {"4 sums", [=](Context& context) { RunMatmul(context, *matmul, MatmulSplit::kPanels); }},
        {"4 sums, k split",
         [=](Context& context) { RunMatmul(context, *matmul, MatmulSplit::kInputs); }}};
  }
  if (auto* attention = dynamic_cast<AttentionOp*>(&op)) {
    return ApartAndFused("no segments", [=](Context& context, Products products) {
      RunAttention(context, *attention, products);
    });
  }
  return {};
}

}  // namespace tandem
