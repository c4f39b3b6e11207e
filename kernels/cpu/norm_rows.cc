#include "kernels/cpu/norm_rows.h"

#include "kernels/cpu/vec.h"

// Bound by L1 and L2 reads: two passes over a row, the second out of the cache.

namespace tandem::cpu::TANDEM_ISA {
namespace {

TANDEM_INLINE F32x16 Residual(float* x, const float* delta) {
  F32x16 v = Load(x);
  if (delta != nullptr) {
    v += Load(delta);
    Store(x, v);
  }
  return v;
}

TANDEM_INLINE F32x16 ResidualPartial(float* x, const float* delta, int64_t count) {
  F32x16 v = LoadPartial(x, count, 0.0f);
  if (delta != nullptr) {
    v += LoadPartial(delta, count, 0.0f);
    StorePartial(x, v, count);
  }
  return v;
}

float InverseRootMeanSquare(float* x, const float* delta, int64_t width, float eps) {
  F32x16 sum{};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const F32x16 v = Residual(x + i, delta == nullptr ? nullptr : delta + i);
    sum += v * v;
  }
  if (i < width) {
    const F32x16 v = ResidualPartial(x + i, delta == nullptr ? nullptr : delta + i, width - i);
    sum += v * v;
  }
  const float mean = SumLanes(sum) / static_cast<float>(width);
  return 1.0f / __builtin_sqrtf(mean + eps);
}

template <bool round_before_weight>
TANDEM_INLINE F32x16 Scaled(F32x16 x, float scale, F32x16 weight) {
  F32x16 n = x * scale;
  if constexpr (round_before_weight) n = RoundToBf16(n);
  return weight * n;
}

template <bool round_before_weight, typename T>
TANDEM_INLINE void Scale(const float* x, float scale, const float* weight, int64_t width, T* y) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Store(y + i, Scaled<round_before_weight>(Load(x + i), scale, Load(weight + i)));
  }
  if (i < width) {
    const F32x16 v = LoadPartial(x + i, width - i, 0.0f);
    const F32x16 w = LoadPartial(weight + i, width - i, 0.0f);
    StorePartial(y + i, Scaled<round_before_weight>(v, scale, w), width - i);
  }
}

}  // namespace

void RmsNorm(const RmsNormRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  for (int64_t row = begin; row < end; ++row) {
    float* x = rows.x + row * width;
    const float* delta = rows.delta == nullptr ? nullptr : rows.delta + row * width;
    const float scale = InverseRootMeanSquare(x, delta, width, rows.eps);
    if (rows.y_f32 != nullptr) {
      Scale<false>(x, scale, rows.weight, width, rows.y_f32 + row * width);
    } else if (rows.round_before_weight) {
      Scale<true>(x, scale, rows.weight, width, rows.y_bf16 + row * width);
    } else {
      Scale<false>(x, scale, rows.weight, width, rows.y_bf16 + row * width);
    }
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
