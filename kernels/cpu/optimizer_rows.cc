#include "kernels/cpu/optimizer_rows.h"

#include "kernels/cpu/vec.h"

// Bound by memory: four streams in, three out.

namespace tandem::cpu::TANDEM_ISA {
namespace {

TANDEM_INLINE F32x16 Sqrt(F32x16 v) {
  alignas(64) float values[kLanes];
  Store(values, v);
  for (int i = 0; i < kLanes; ++i) values[i] = __builtin_sqrtf(values[i]);
  return Load(values);
}

TANDEM_INLINE void Update(const AdamWElements& work, int64_t i, int64_t count) {
  const F32x16 g = LoadSome(work.gradient + i, count) * work.scale;
  F32x16 m = LoadSome(work.m + i, count), v = LoadSome(work.v + i, count);
  m += (g - m) * work.one_minus_beta1;
  v = v * work.beta2 + g * g * work.one_minus_beta2;
  const F32x16 denominator = Sqrt(v) * work.inverse_root + work.eps;
  const F32x16 weights = LoadSome(work.weights + i, count) * work.keep;
  StoreSome(work.m + i, m, count);
  StoreSome(work.v + i, v, count);
  StoreSome(work.weights + i, weights - m / denominator * work.step_size, count);
}

}  // namespace

void AdamW(const AdamWElements& work, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) Update(work, i, kLanes);
  if (i < end) Update(work, i, end - i);
}

void SumOfSquares(const SquareBlocks& work, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    const int64_t first = block * work.block;
    const int64_t last = first + work.block < work.count ? first + work.block : work.count;
    F32x16 sum{};
    int64_t i = first;
    for (; i + kLanes <= last; i += kLanes) sum += Load(work.x + i) * Load(work.x + i);
    if (i < last) {
      const F32x16 v = LoadPartial(work.x + i, last - i, 0.0f);
      sum += v * v;
    }
    work.sums[block] = SumLanes(sum);
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
