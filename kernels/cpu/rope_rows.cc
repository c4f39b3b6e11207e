#include "kernels/cpu/rope_rows.h"

#include "kernels/cpu/vec.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// (a, b) turns into (a cos - b sin, b cos + a sin), or back; products are rounded before the sum.
template <bool backward>
TANDEM_INLINE void RotateHead(const float* cosines, const float* sines, int64_t half, float* x) {
  float* y = x + half;
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const F32x16 a = Load(x + i), b = Load(y + i);
    const F32x16 c = Load(cosines + i), s = Load(sines + i);
    Store(x + i, backward ? a * c + b * s : a * c - b * s);
    Store(y + i, backward ? b * c - a * s : b * c + a * s);
  }
  if (i < half) {
    const int64_t count = half - i;
    const F32x16 a = LoadPartial(x + i, count, 0.0f), b = LoadPartial(y + i, count, 0.0f);
    const F32x16 c = LoadPartial(cosines + i, count, 0.0f);
    const F32x16 s = LoadPartial(sines + i, count, 0.0f);
    StorePartial(x + i, backward ? a * c + b * s : a * c - b * s, count);
    StorePartial(y + i, backward ? b * c - a * s : b * c + a * s, count);
  }
}

template <bool backward>
void RotateTokens(const RopeRows& rows, int64_t begin, int64_t end) {
  const int64_t half = rows.head_dim / 2;
  for (int64_t token = begin; token < end; ++token) {
    const float* angles = rows.table + rows.positions[token] * rows.head_dim;
    float* x = rows.x + token * rows.heads * rows.head_dim;
    for (int64_t head = 0; head < rows.heads; ++head) {
      RotateHead<backward>(angles, angles + half, half, x + head * rows.head_dim);
    }
  }
}

}  // namespace

void Rope(const RopeRows& rows, int64_t begin, int64_t end) {
  if (rows.backward) {
    RotateTokens<true>(rows, begin, end);
  } else {
    RotateTokens<false>(rows, begin, end);
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
