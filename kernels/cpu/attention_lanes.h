#pragma once
// Sixteen float lanes held in as many registers as the instruction set needs, for the two inner
// loops of attention, and how each kind of cache multiplies a word of K or V. (A vec.h vector that
// is wider than a register lives in memory; here accumulators must not.) Included once per
// instruction set, with TANDEM_ISA naming the namespace.

#include <cstring>

#include "kernels/cpu/vec.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tandem::cpu::TANDEM_ISA {

#if defined(__AVX512F__)
constexpr int kPartLanes = 16;
constexpr int kTileLanes = 16;  // accumulators of a tile, of 32 registers
constexpr int kMaxTileRows = 8;
#elif defined(__AVX2__)
constexpr int kPartLanes = 8;
constexpr int kTileLanes = 4;  // two of 16 registers each
constexpr int kMaxTileRows = 4;
#else
constexpr int kPartLanes = 4;
constexpr int kTileLanes = 2;  // four of 16 registers each
constexpr int kMaxTileRows = 2;
#endif
constexpr int kParts = 16 / kPartLanes;

typedef float Part __attribute__((vector_size(4 * kPartLanes)));
typedef int32_t PartInts __attribute__((vector_size(4 * kPartLanes)));
typedef uint32_t PartWords __attribute__((vector_size(4 * kPartLanes)));

struct Lanes {
  Part part[kParts];
};

// a * b + c: fused where there is an instruction for it.
TANDEM_INLINE Part MulAddPart(Part a, Part b, Part c) {
#if defined(__AVX512F__)
  return reinterpret_cast<Part>(_mm512_fmadd_ps(
      reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__AVX2__)
  return reinterpret_cast<Part>(_mm256_fmadd_ps(
      reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#else
  return a * b + c;
#endif
}

TANDEM_INLINE Part SplatPart(float value) { return value - Part{}; }  // x - 0 is x, also for -0

TANDEM_INLINE PartWords LoadWords(const uint32_t* from) {
  PartWords words;
  std::memcpy(&words, from, sizeof(words));
  return words;
}

TANDEM_INLINE Lanes LoadLanes(const float* from) {
  Lanes lanes;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) std::memcpy(&lanes.part[i], from + i * kPartLanes, sizeof(Part));
  return lanes;
}

TANDEM_INLINE void StoreLanes(float* to, const Lanes& lanes, float scale) {
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    const Part scaled = lanes.part[i] * scale;
    std::memcpy(to + i * kPartLanes, &scaled, sizeof(Part));
  }
}

TANDEM_INLINE void StoreLanes(float* to, const Lanes& lanes) {
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) std::memcpy(to + i * kPartLanes, &lanes.part[i], sizeof(Part));
}

TANDEM_INLINE Part LoadPart(const float* from) {
  Part part;
  std::memcpy(&part, from, sizeof(part));
  return part;
}

TANDEM_INLINE void StorePart(float* to, Part part) { std::memcpy(to, &part, sizeof(part)); }

typedef float Quad __attribute__((vector_size(16)));

// Elementwise maximum of the part's quads.
TANDEM_INLINE Quad MaxQuad(Part v) {
#if defined(__AVX2__)
  typedef float Octet __attribute__((vector_size(32)));
#if defined(__AVX512F__)
  const Octet low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const Octet high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const Octet octet = low > high ? low : high;
#else
  const Octet octet = v;
#endif
  const Quad first = __builtin_shufflevector(octet, octet, 0, 1, 2, 3);
  const Quad second = __builtin_shufflevector(octet, octet, 4, 5, 6, 7);
  return first > second ? first : second;
#else
  return v;
#endif
}

TANDEM_INLINE float MaxLane(Part v) {
  const Quad best = MaxQuad(v);
  const float even = best[0] > best[2] ? best[0] : best[2];
  const float odd = best[1] > best[3] ? best[1] : best[3];
  return even > odd ? even : odd;
}

// vec.h's Exp, bit for bit, where x <= 0 and denormals are flushed: one factor 2^n, no upper bound,
// and NaN needs no care.
TANDEM_INLINE Part ExpOfNonPositive(Part x) {
  const Part lowest = SplatPart(-87.33654f);
  const Part clamped = lowest > x ? lowest : x;
  const Part shifted = clamped * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds
  const Part n = shifted - 12582912.0f;
  const Part r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  Part p = SplatPart(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const PartWords factor = (reinterpret_cast<PartWords>(shifted) << 23) + 0x3f800000u;
  return x < lowest ? Part{} : p * reinterpret_cast<Part>(factor);
}

// How a cache's words multiply. A coefficient is an element of q or a probability, kUnit of them to
// a word; Stored says how they wait to be broadcast.
struct F32Cache {
  static constexpr int kUnit = 1;
  using Coefficient = float;

  struct Words {
    Part value[kParts];
  };
  TANDEM_INLINE Words Load(const uint32_t* from, uint32_t mask) {
    Words words;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      words.value[i] = reinterpret_cast<Part>(LoadWords(from + i * kPartLanes) & mask);
    }
    return words;
  }
  TANDEM_INLINE void MulAdd(Lanes& sum, const Coefficient* c, const Words& words) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      sum.part[i] = MulAddPart(SplatPart(c[0]), words.value[i], sum.part[i]);
    }
  }
  TANDEM_INLINE void StoreCoefficients(Coefficient* to, Part v) { StorePart(to, v); }
};

// Pairs of bfloat16, widened: the odd product is added first, then the even one. A product of two
// bfloat16 is exact in f32, so this is the bf16 dot also where there is no fused multiply-add.
struct WidenedBf16Cache {
  static constexpr int kUnit = 2;
  using Coefficient = float;  // rounded to bfloat16

  struct Words {
    Part odd[kParts];
    Part even[kParts];
  };
  TANDEM_INLINE Words Load(const uint32_t* from, uint32_t mask) {
    Words words;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      const PartWords pair = LoadWords(from + i * kPartLanes) & mask;
      words.odd[i] = reinterpret_cast<Part>(pair & 0xffff0000u);
      words.even[i] = reinterpret_cast<Part>(pair << 16);
    }
    return words;
  }
  TANDEM_INLINE void MulAdd(Lanes& sum, const Coefficient* c, const Words& words) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      sum.part[i] = MulAddPart(SplatPart(c[1]), words.odd[i], sum.part[i]);
      sum.part[i] = MulAddPart(SplatPart(c[0]), words.even[i], sum.part[i]);
    }
  }
  TANDEM_INLINE void StoreCoefficients(Coefficient* to, Part v) {
    const PartWords u = reinterpret_cast<PartWords>(v);
    const PartWords rounded = (u + 0x7fffu + ((u >> 16) & 1u)) & 0xffff0000u;
    StorePart(to, v == v ? reinterpret_cast<Part>(rounded) : v);
  }
};

#if defined(__AVX512BF16__)
// The dot instruction itself.
struct Bf16Cache {
  static constexpr int kUnit = 2;
  using Coefficient = BFloat16;

  struct Words {
    __m512bh pairs;
  };
  TANDEM_INLINE Words Load(const uint32_t* from, uint32_t mask) {
    return {reinterpret_cast<__m512bh>(LoadWords(from) & mask)};
  }
  TANDEM_INLINE void MulAdd(Lanes& sum, const Coefficient* c, const Words& words) {
    int32_t pair;
    std::memcpy(&pair, c, sizeof(pair));
    sum.part[0] = reinterpret_cast<Part>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(sum.part[0]),
                         reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)), words.pairs));
  }
  TANDEM_INLINE void StoreCoefficients(Coefficient* to, Part v) {
    const __m256bh rounded = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(v));
    std::memcpy(static_cast<void*>(to), &rounded, sizeof(rounded));
  }
};
#endif

}  // namespace tandem::cpu::TANDEM_ISA
