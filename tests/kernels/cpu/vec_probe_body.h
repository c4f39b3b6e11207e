#pragma once
// The functions of a VecProbe, for the lowering that the including file is compiled for.

#include "kernels/cpu/vec.h"
#include "tests/kernels/cpu/vec_probe.h"

namespace tandem::cpu {
namespace {

void ProbeExp(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; i += kLanes) Store(y + i, Exp(Load(x + i)));
}

void ProbeSilu(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; i += kLanes) Store(y + i, Silu(Load(x + i)));
}

void ProbeToBf16(const float* x, int64_t count, BFloat16* y) {
  for (int64_t i = 0; i < count; i += kLanes) Store(y + i, Load(x + i));
}

void ProbeFromBf16(const BFloat16* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; i += kLanes) Store(y + i, Load(x + i));
}

float ProbeSumLanes(const float* x) { return SumLanes(Load(x)); }
float ProbeMaxLanes(const float* x) { return MaxLanes(Load(x)); }
void ProbeMax(const float* a, const float* b, float* y) { Store(y, Max(Load(a), Load(b))); }
void ProbeMin(const float* a, const float* b, float* y) { Store(y, Min(Load(a), Load(b))); }
uint32_t ProbeLess(const float* a, const float* b) { return MaskBits(Load(a) < Load(b)); }

int64_t ProbeStoreSelected(const int32_t* x, uint32_t lanes, int32_t* y) {
  int32_t mask[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) mask[lane] = (lanes >> lane & 1u) != 0 ? -1 : 0;
  return StoreSelected(y, Load(x), Load(mask));
}

void ProbeLoadPartial(const float* x, int64_t count, float fill, float* y) {
  Store(y, LoadPartial(x, count, fill));
}

void ProbeLoadPartialBf16(const BFloat16* x, int64_t count, float fill, float* y) {
  Store(y, LoadPartial(x, count, fill));
}

void ProbeStorePartial(const float* x, int64_t count, float* y) { StorePartial(y, Load(x), count); }

void ProbeStorePartialBf16(const float* x, int64_t count, BFloat16* y) {
  StorePartial(y, Load(x), count);
}

VecProbe MakeProbe(const char* name) {
  return {.name = name,
          .exp = ProbeExp,
          .silu = ProbeSilu,
          .to_bf16 = ProbeToBf16,
          .from_bf16 = ProbeFromBf16,
          .sum_lanes = ProbeSumLanes,
          .max_lanes = ProbeMaxLanes,
          .max = ProbeMax,
          .min = ProbeMin,
          .less = ProbeLess,
          .store_selected = ProbeStoreSelected,
          .load_partial = ProbeLoadPartial,
          .load_partial_bf16 = ProbeLoadPartialBf16,
          .store_partial = ProbeStorePartial,
          .store_partial_bf16 = ProbeStorePartialBf16};
}

}  // namespace
}  // namespace tandem::cpu
