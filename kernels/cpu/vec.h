#pragma once
// Sixteen float lanes on every machine. The compiler lowers them to whatever registers the file is
// compiled for (one zmm, two ymm, four xmm), so a *_rows.cc file is written once, and since there is
// no fused multiply-add and no lane count that varies, its results are the same bits on every
// instruction set. Everything here is always inlined: one binary holds several lowerings.

#include <cstdint>
#include <cstring>

#include "kernels/core/dtype.h"

#define TANDEM_INLINE [[gnu::always_inline]] static inline

namespace tandem::cpu {

constexpr int64_t kLanes = 16;

typedef float F32x16 __attribute__((vector_size(64)));
typedef int32_t I32x16 __attribute__((vector_size(64)));
typedef uint32_t U32x16 __attribute__((vector_size(64)));
typedef uint16_t U16x16 __attribute__((vector_size(32)));

TANDEM_INLINE F32x16 Splat(float value) { return F32x16{} + value; }

TANDEM_INLINE F32x16 Load(const float* from) {
  F32x16 v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

TANDEM_INLINE F32x16 Load(const BFloat16* from) {
  U16x16 raw;
  std::memcpy(&raw, from, sizeof(raw));
  const U32x16 wide = __builtin_convertvector(raw, U32x16) << 16;
  return reinterpret_cast<F32x16>(wide);
}

// IEEE binary16 bits to float; subnormals go through an integer, since denormal floats are flushed.
TANDEM_INLINE F32x16 WidenF16(U16x16 half) {
  const U32x16 raw = __builtin_convertvector(half, U32x16);
  const U32x16 sign = (raw & 0x8000u) << 16;
  const U32x16 magnitude = raw & 0x7fffu;
  const U32x16 normal = (magnitude << 13) + 0x38000000u;
  const U32x16 special = (magnitude << 13) | 0x7f800000u;
  const F32x16 steps =
      __builtin_convertvector(reinterpret_cast<I32x16>(magnitude), F32x16) * 5.9604644775390625e-8f;
  const U32x16 is_subnormal = reinterpret_cast<U32x16>(magnitude < 0x0400u);
  const U32x16 is_special = reinterpret_cast<U32x16>(magnitude >= 0x7c00u);
  const U32x16 value = (reinterpret_cast<U32x16>(steps) & is_subnormal) | (special & is_special) |
                       (normal & ~is_subnormal & ~is_special);
  return reinterpret_cast<F32x16>(value | sign);
}

TANDEM_INLINE F32x16 Load(const Float16* from) {
  U16x16 raw;
  std::memcpy(&raw, from, sizeof(raw));
  return WidenF16(raw);
}

TANDEM_INLINE void Store(float* to, F32x16 v) { std::memcpy(to, &v, sizeof(v)); }

// Rounds to nearest even; NaN stays NaN.
TANDEM_INLINE void Store(BFloat16* to, F32x16 v) {
  const U32x16 u = reinterpret_cast<U32x16>(v);
  const U32x16 rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const U32x16 nan = (u >> 16) | 0x0040u;
  const U32x16 is_nan = reinterpret_cast<U32x16>((u & 0x7fffffffu) > 0x7f800000u);
  const U16x16 bits =
      __builtin_convertvector((nan & is_nan) | (rounded & ~is_nan), U16x16);
  std::memcpy(static_cast<void*>(to), &bits, sizeof(bits));
}

// Rounds to nearest even, as Float16(float) does.
TANDEM_INLINE void Store(Float16* to, F32x16 v) {
  const U32x16 u = reinterpret_cast<U32x16>(v);
  const U32x16 sign = (u >> 16) & 0x8000u;
  const U32x16 magnitude = u & 0x7fffffffu;
  const U32x16 normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const U32x16 nan = 0x7e00u | ((magnitude >> 13) & 0x1ffu);
  // Near 0.5 floats are 2^-24 apart, the step of half subnormals.
  const F32x16 stepped = reinterpret_cast<F32x16>(magnitude) + 0.5f;
  const U32x16 subnormal = reinterpret_cast<U32x16>(stepped) - 0x3f000000u;
  const U32x16 is_subnormal = reinterpret_cast<U32x16>(magnitude < 0x38800000u);
  const U32x16 is_infinite = reinterpret_cast<U32x16>(magnitude >= 0x477ff000u);
  const U32x16 is_nan = reinterpret_cast<U32x16>(magnitude > 0x7f800000u);
  U32x16 value = (subnormal & is_subnormal) | (normal & ~is_subnormal);
  value = (is_infinite & 0x7c00u) | (value & ~is_infinite);
  value = (nan & is_nan) | (value & ~is_nan);
  const U16x16 bits = __builtin_convertvector(value | sign, U16x16);
  std::memcpy(static_cast<void*>(to), &bits, sizeof(bits));
}

// The first `count` (< 16) elements; the other lanes are `fill`.
template <typename T>
TANDEM_INLINE F32x16 LoadPartial(const T* from, int64_t count, float fill) {
  alignas(64) float lanes[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) lanes[i] = i < count ? static_cast<float>(from[i]) : fill;
  return Load(lanes);
}

template <typename T>
TANDEM_INLINE void StorePartial(T* to, F32x16 v, int64_t count) {
  alignas(64) T lanes[kLanes];
  Store(lanes, v);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

// mask lanes are all ones or all zeros, as comparisons of vectors yield.
TANDEM_INLINE F32x16 Select(I32x16 mask, F32x16 yes, F32x16 no) {
  return reinterpret_cast<F32x16>((reinterpret_cast<I32x16>(yes) & mask) |
                                  (reinterpret_cast<I32x16>(no) & ~mask));
}

// As x86 does it: b where either is NaN.
TANDEM_INLINE F32x16 Max(F32x16 a, F32x16 b) { return Select(a > b, a, b); }
TANDEM_INLINE F32x16 Min(F32x16 a, F32x16 b) { return Select(a < b, a, b); }
TANDEM_INLINE F32x16 Abs(F32x16 v) {
  return reinterpret_cast<F32x16>(reinterpret_cast<I32x16>(v) & 0x7fffffff);
}

// Lanes combine in a fixed tree: i with i + 8, then + 4, + 2, + 1.
TANDEM_INLINE float SumLanes(F32x16 v) {
  alignas(64) float lanes[kLanes];
  Store(lanes, v);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0];
}

TANDEM_INLINE float MaxLanes(F32x16 v) {
  alignas(64) float lanes[kLanes];
  Store(lanes, v);
  float best = lanes[0];
  for (int64_t i = 1; i < kLanes; ++i) best = lanes[i] > best ? lanes[i] : best;
  return best;
}

// e^x within 2 ulp; 0 below -87.33, infinity above 88.72, NaN for NaN. Cephes expf's polynomial on
// [-ln2/2, ln2/2] after x = n ln2 + r.
TANDEM_INLINE F32x16 Exp(F32x16 x) {
  const F32x16 clamped = Max(Min(x, Splat(88.72283f)), Splat(-87.33654f));
  const F32x16 shifted = clamped * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds
  const F32x16 n = shifted - 12582912.0f;
  const F32x16 r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  F32x16 p = Splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // Two factors, so that n = 128 does not overflow the exponent field.
  const I32x16 whole = __builtin_convertvector(n, I32x16);
  const I32x16 half = whole >> 1;
  const F32x16 first = reinterpret_cast<F32x16>((half + 127) << 23);
  const F32x16 second = reinterpret_cast<F32x16>((whole - half + 127) << 23);
  F32x16 result = p * first * second;
  result = Select(x < Splat(-87.33654f), Splat(0.0f), result);
  result = Select(x > Splat(88.72283f), Splat(__builtin_inff()), result);
  return Select(x != x, x, result);
}

}  // namespace tandem::cpu
