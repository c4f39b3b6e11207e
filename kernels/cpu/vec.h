#pragma once
// Sixteen float (or 32-bit integer) lanes on every machine: one zmm, two ymm or four 16-byte
// registers, as the including file is compiled. A *_rows.cc file is written once in these; since
// there is no fused multiply-add and no lane count that varies, its results are the same bits on
// every instruction set.
//
// Everything is always inlined, and the types of each lowering live in a namespace of their own:
// one binary holds several. For the same reason a *_rows.cc file calls no inline function or
// template of other headers (the linker would keep one copy of it, compiled for the wrong machine):
// it takes plain pointers and numbers.

#include <cstdint>
#include <cstring>

#include "kernels/core/dtype.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define TANDEM_INLINE [[gnu::always_inline]] static inline

#if defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define TANDEM_LANES zmm
#define TANDEM_REGISTER_BYTES 64
#elif defined(__AVX2__)
#define TANDEM_LANES ymm
#define TANDEM_REGISTER_BYTES 32
#else
#define TANDEM_LANES xmm
#define TANDEM_REGISTER_BYTES 16
#endif

namespace tandem::cpu {

constexpr int64_t kLanes = 16;

inline namespace TANDEM_LANES {

constexpr int kParts = 64 / TANDEM_REGISTER_BYTES;
constexpr int kPartLanes = TANDEM_REGISTER_BYTES / 4;

// T is float, int32_t or uint32_t. A scalar converts to sixteen copies of itself. Comparisons yield
// lanes of all ones or all zeros, for Select.
template <typename T>
struct Vec {
  typedef T Register __attribute__((vector_size(TANDEM_REGISTER_BYTES)));
  Register part[kParts];

  Vec() = default;                       // Vec{} is zero
  [[gnu::always_inline]] Vec(T value) {  // NOLINT: scalars mix with vectors
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) part[i] = value - Register{};  // keeps -0
  }

  [[gnu::always_inline]] friend inline Vec operator+(Vec a, Vec b) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] += b.part[i];
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator-(Vec a, Vec b) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] -= b.part[i];
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator*(Vec a, Vec b) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] *= b.part[i];
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator/(Vec a, Vec b) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] /= b.part[i];
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator&(Vec a, Vec b) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] &= b.part[i];
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator|(Vec a, Vec b) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] |= b.part[i];
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator<<(Vec a, int count) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] <<= count;
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator>>(Vec a, int count) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] >>= count;
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator~(Vec a) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] = ~a.part[i];
    return a;
  }
  [[gnu::always_inline]] friend inline Vec operator-(Vec a) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) a.part[i] = -a.part[i];
    return a;
  }
  [[gnu::always_inline]] Vec& operator+=(Vec b) { return *this = *this + b; }
  [[gnu::always_inline]] Vec& operator-=(Vec b) { return *this = *this - b; }
  [[gnu::always_inline]] Vec& operator*=(Vec b) { return *this = *this * b; }

  [[gnu::always_inline]] friend inline Vec<int32_t> operator<(Vec a, Vec b) {
    Vec<int32_t> mask;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) mask.part[i] = a.part[i] < b.part[i];
    return mask;
  }
  [[gnu::always_inline]] friend inline Vec<int32_t> operator<=(Vec a, Vec b) {
    Vec<int32_t> mask;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) mask.part[i] = a.part[i] <= b.part[i];
    return mask;
  }
  [[gnu::always_inline]] friend inline Vec<int32_t> operator==(Vec a, Vec b) {
    Vec<int32_t> mask;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) mask.part[i] = a.part[i] == b.part[i];
    return mask;
  }
  [[gnu::always_inline]] friend inline Vec<int32_t> operator>(Vec a, Vec b) { return b < a; }
  [[gnu::always_inline]] friend inline Vec<int32_t> operator>=(Vec a, Vec b) { return b <= a; }
};

using F32x16 = Vec<float>;
using I32x16 = Vec<int32_t>;
using U32x16 = Vec<uint32_t>;

TANDEM_INLINE F32x16 Splat(float value) { return F32x16(value); }

// Loads, stores and casts go register by register: a copy of the whole struct would pass through
// memory.
template <typename T>
requires(sizeof(T) == 4) TANDEM_INLINE Vec<T> Load(const T* from) {
  Vec<T> v;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    std::memcpy(&v.part[i], from + i * kPartLanes, TANDEM_REGISTER_BYTES);
  }
  return v;
}

template <typename T>
requires(sizeof(T) == 4) TANDEM_INLINE void Store(T* to, Vec<T> v) {
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    std::memcpy(to + i * kPartLanes, &v.part[i], TANDEM_REGISTER_BYTES);
  }
}

// The same 32 bits as another type.
template <typename To, typename From>
TANDEM_INLINE Vec<To> BitCast(Vec<From> v) {
  Vec<To> result;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    result.part[i] = reinterpret_cast<typename Vec<To>::Register>(v.part[i]);
  }
  return result;
}

// The same number as another type; float to integer truncates.
template <typename To, typename From>
TANDEM_INLINE Vec<To> Convert(Vec<From> v) {
  Vec<To> result;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    result.part[i] = __builtin_convertvector(v.part[i], typename Vec<To>::Register);
  }
  return result;
}

// mask lanes are all ones or all zeros.
template <typename T>
TANDEM_INLINE Vec<T> Select(I32x16 mask, Vec<T> yes, Vec<T> no) {
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) no.part[i] = mask.part[i] ? yes.part[i] : no.part[i];
  return no;
}

// As x86 does it: b where either is NaN.
TANDEM_INLINE F32x16 Max(F32x16 a, F32x16 b) { return Select(a > b, a, b); }
TANDEM_INLINE F32x16 Min(F32x16 a, F32x16 b) { return Select(a < b, a, b); }
TANDEM_INLINE F32x16 Abs(F32x16 v) {
  return BitCast<float>(BitCast<int32_t>(v) & I32x16(0x7fffffff));
}

// ---- Lanes ----

TANDEM_INLINE I32x16 LaneIndices() {
  alignas(64) static constexpr int32_t kIndices[kLanes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                           8, 9, 10, 11, 12, 13, 14, 15};
  return Load(kIndices);
}

// All ones in the first `count` lanes.
TANDEM_INLINE I32x16 FirstLanes(int64_t count) {
  return LaneIndices() < I32x16(static_cast<int32_t>(count));
}

// Bit i is lane i of a mask.
TANDEM_INLINE uint32_t MaskBits(I32x16 mask) {
#if TANDEM_REGISTER_BYTES == 64
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask.part[0]));
#elif TANDEM_REGISTER_BYTES == 32
  const int low = _mm256_movemask_ps(reinterpret_cast<__m256>(mask.part[0]));
  const int high = _mm256_movemask_ps(reinterpret_cast<__m256>(mask.part[1]));
  return static_cast<uint32_t>(low | high << 8);
#else
  uint32_t bits = 0;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
#if defined(__SSE2__)
    const auto part =
        static_cast<uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(mask.part[i])));
#else
    uint32_t part = 0;
    for (int lane = 0; lane < kPartLanes; ++lane) {
      part |= (static_cast<uint32_t>(mask.part[i][lane]) & 1u) << lane;
    }
#endif
    bits |= part << (i * kPartLanes);
  }
  return bits;
#endif
}

TANDEM_INLINE bool AnyLane(I32x16 mask) { return MaskBits(mask) != 0; }

// Combines lanes in a fixed tree: i with i + 8, then + 4, + 2, + 1.
template <typename T, typename Op>
TANDEM_INLINE T Reduce(Vec<T> v, Op op) {
  typedef T Quad __attribute__((vector_size(16)));
#if TANDEM_REGISTER_BYTES == 64
  const auto low = __builtin_shufflevector(v.part[0], v.part[0], 0, 1, 2, 3, 4, 5, 6, 7);
  const auto high = __builtin_shufflevector(v.part[0], v.part[0], 8, 9, 10, 11, 12, 13, 14, 15);
  const auto eight = op(low, high);
#elif TANDEM_REGISTER_BYTES == 32
  const auto eight = op(v.part[0], v.part[1]);
#endif
#if TANDEM_REGISTER_BYTES == 16
  Quad quad = op(op(v.part[0], v.part[2]), op(v.part[1], v.part[3]));
#else
  Quad quad = op(__builtin_shufflevector(eight, eight, 0, 1, 2, 3),
                 __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
#endif
  quad = op(quad, __builtin_shufflevector(quad, quad, 2, 3, 2, 3));
  quad = op(quad, __builtin_shufflevector(quad, quad, 1, 1, 1, 1));
  return quad[0];
}

template <typename T>
TANDEM_INLINE T SumLanes(Vec<T> v) {
  return Reduce(
      v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
}

template <typename T>
TANDEM_INLINE T MaxLanes(Vec<T> v) {
  return Reduce(
      v, [](auto a, auto b) __attribute__((always_inline)) { return a > b ? a : b; });
}

// ---- Memory ----

// Sixteen 16-bit numbers, zero-extended.
TANDEM_INLINE U32x16 LoadHalves(const void* from) {
  const auto* raw = static_cast<const uint16_t*>(from);
  U32x16 v;
#if TANDEM_REGISTER_BYTES == 64
  typedef uint16_t Halves __attribute__((vector_size(32)));
  Halves halves;
  std::memcpy(&halves, raw, sizeof(halves));
  v.part[0] = __builtin_convertvector(halves, U32x16::Register);
#elif TANDEM_REGISTER_BYTES == 32
#pragma GCC unroll 2
  for (int i = 0; i < kParts; ++i) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(raw + 8 * i));
    v.part[i] = reinterpret_cast<U32x16::Register>(_mm256_cvtepu16_epi32(eight));
  }
#elif defined(__SSE2__)
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(raw + 8 * i));
    const __m128i zero = _mm_setzero_si128();
    v.part[2 * i] = reinterpret_cast<U32x16::Register>(_mm_unpacklo_epi16(eight, zero));
    v.part[2 * i + 1] = reinterpret_cast<U32x16::Register>(_mm_unpackhi_epi16(eight, zero));
  }
#else
  uint16_t halves[kLanes];
  std::memcpy(halves, raw, sizeof(halves));
  uint32_t words[kLanes];
  for (int i = 0; i < kLanes; ++i) words[i] = halves[i];
  v = Load(words);
#endif
  return v;
}

TANDEM_INLINE F32x16 Load(const BFloat16* from) { return BitCast<float>(LoadHalves(from) << 16); }

// binary16 bits to float; subnormals go through an integer, since denormal floats are flushed.
TANDEM_INLINE F32x16 WidenF16(U32x16 raw) {
  const U32x16 magnitude = raw & 0x7fffu;
  const I32x16 as_int = BitCast<int32_t>(magnitude);
  const U32x16 normal = (magnitude << 13) + 0x38000000u;
  const U32x16 special = (magnitude << 13) | 0x7f800000u;
  const F32x16 steps = Convert<float>(as_int) * 5.9604644775390625e-8f;
  U32x16 value = Select(as_int < 0x0400, BitCast<uint32_t>(steps), normal);
  value = Select(as_int >= 0x7c00, special, value);
  return BitCast<float>(value | ((raw & 0x8000u) << 16));
}

TANDEM_INLINE F32x16 Load(const Float16* from) { return WidenF16(LoadHalves(from)); }

// The nearest bf16 number (ties to even; NaN stays NaN), as float.
TANDEM_INLINE F32x16 RoundToBf16(F32x16 v) {
  const U32x16 u = BitCast<uint32_t>(v);
  const U32x16 rounded = (u + 0x7fffu + ((u >> 16) & 1u)) & 0xffff0000u;
  const U32x16 nan = (u | 0x00400000u) & 0xffff0000u;
  return BitCast<float>(Select(v == v, rounded, nan));
}

// Stores numbers that are bf16 already.
TANDEM_INLINE void StoreHighHalves(void* where, F32x16 v) {
  auto* to = static_cast<uint16_t*>(where);
  const U32x16 u = BitCast<uint32_t>(v);
#if TANDEM_REGISTER_BYTES == 64
  typedef uint16_t Halves __attribute__((vector_size(32)));
  const Halves halves = __builtin_convertvector(u.part[0] >> 16, Halves);
  std::memcpy(static_cast<void*>(to), &halves, sizeof(halves));
#elif TANDEM_REGISTER_BYTES == 32
  const __m256i first = _mm256_srli_epi32(reinterpret_cast<__m256i>(u.part[0]), 16);
  const __m256i second = _mm256_srli_epi32(reinterpret_cast<__m256i>(u.part[1]), 16);
  const __m256i packed = _mm256_packus_epi32(first, second);  // 128-bit quarters 0 2 1 3
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xd8));
#elif defined(__SSE2__)
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {  // the arithmetic shift keeps the signed saturation of packs away
    const __m128i first = _mm_srai_epi32(reinterpret_cast<__m128i>(u.part[2 * i]), 16);
    const __m128i second = _mm_srai_epi32(reinterpret_cast<__m128i>(u.part[2 * i + 1]), 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8 * i), _mm_packs_epi32(first, second));
  }
#else
  uint32_t words[kLanes];
  Store(words, u);
  uint16_t halves[kLanes];
  for (int i = 0; i < kLanes; ++i) halves[i] = static_cast<uint16_t>(words[i] >> 16);
  std::memcpy(static_cast<void*>(to), halves, sizeof(halves));
#endif
}

TANDEM_INLINE void Store(BFloat16* to, F32x16 v) { StoreHighHalves(to, RoundToBf16(v)); }

// Rounds to nearest even, as Float16(float) does.
TANDEM_INLINE void Store(Float16* to, F32x16 v) {
  const U32x16 u = BitCast<uint32_t>(v);
  const U32x16 magnitude = u & 0x7fffffffu;
  const I32x16 as_int = BitCast<int32_t>(magnitude);
  const U32x16 normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const U32x16 nan = ((magnitude >> 13) & 0x1ffu) | 0x7e00u;
  // Near 0.5 floats are 2^-24 apart, the step of half subnormals.
  const U32x16 subnormal = BitCast<uint32_t>(BitCast<float>(magnitude) + 0.5f) - 0x3f000000u;
  U32x16 value = Select(as_int < 0x38800000, subnormal, normal);
  value = Select(as_int >= 0x477ff000, U32x16(0x7c00u), value);
  value = Select(as_int > 0x7f800000, nan, value);
  StoreHighHalves(to, BitCast<float>((value << 16) | (u & 0x80000000u)));
}

// Numbers in [-128, 127] as bytes.
TANDEM_INLINE void Store(int8_t* to, I32x16 v) {
#if TANDEM_REGISTER_BYTES == 64
  typedef int8_t Bytes __attribute__((vector_size(16)));
  const Bytes bytes = __builtin_convertvector(v.part[0], Bytes);
  std::memcpy(to, &bytes, sizeof(bytes));
#else
  int32_t words[kLanes];
  Store(words, v);
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<int8_t>(words[i]);
#endif
}

// The first `count` (0..16) elements; the other lanes are `fill`. Reads nothing beyond them.
template <typename T>
requires(sizeof(T) == 4) TANDEM_INLINE Vec<T> LoadPartial(const T* from, int64_t count, T fill) {
#if TANDEM_REGISTER_BYTES == 64
  Vec<T> v(fill);
  const auto lanes = static_cast<__mmask16>((1u << count) - 1u);
  v.part[0] = reinterpret_cast<typename Vec<T>::Register>(
      _mm512_mask_loadu_epi32(reinterpret_cast<__m512i>(v.part[0]), lanes, from));
  return v;
#elif TANDEM_REGISTER_BYTES == 32
  const I32x16 lanes = FirstLanes(count);
  Vec<T> v;
#pragma GCC unroll 2
  for (int i = 0; i < kParts; ++i) {
    v.part[i] = reinterpret_cast<typename Vec<T>::Register>(
        _mm256_maskload_epi32(reinterpret_cast<const int*>(from) + i * kPartLanes,
                              reinterpret_cast<__m256i>(lanes.part[i])));
  }
  return Select(lanes, v, Vec<T>(fill));
#else
  T values[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) values[i] = i < count ? from[i] : fill;
  return Load(values);
#endif
}

TANDEM_INLINE F32x16 LoadPartial(const BFloat16* from, int64_t count, float fill) {
  BFloat16 values[kLanes];
  if (count > 0) {  // of nothing, `from` may be null
    std::memcpy(static_cast<void*>(values), from, static_cast<size_t>(count) * sizeof(BFloat16));
  }
  return Select(FirstLanes(count), Load(values), F32x16(fill));
}

// Writes the first `count` (0..16) lanes and nothing else.
template <typename T>
requires(sizeof(T) == 4) TANDEM_INLINE void StorePartial(T* to, Vec<T> v, int64_t count) {
#if TANDEM_REGISTER_BYTES == 64
  const auto lanes = static_cast<__mmask16>((1u << count) - 1u);
  _mm512_mask_storeu_epi32(to, lanes, reinterpret_cast<__m512i>(v.part[0]));
#elif TANDEM_REGISTER_BYTES == 32
  const I32x16 lanes = FirstLanes(count);
#pragma GCC unroll 2
  for (int i = 0; i < kParts; ++i) {
    _mm256_maskstore_epi32(reinterpret_cast<int*>(to) + i * kPartLanes,
                           reinterpret_cast<__m256i>(lanes.part[i]),
                           reinterpret_cast<__m256i>(v.part[i]));
  }
#else
  T values[kLanes];
  Store(values, v);
  for (int64_t i = 0; i < count; ++i) to[i] = values[i];
#endif
}

TANDEM_INLINE void StorePartial(BFloat16* to, F32x16 v, int64_t count) {
  BFloat16 values[kLanes];
  Store(values, v);
  if (count > 0) {
    std::memcpy(static_cast<void*>(to), values, static_cast<size_t>(count) * sizeof(BFloat16));
  }
}

// The first `count` (16 or more: all) elements, then zeros; for loops whose last step may be short.
template <typename T>
TANDEM_INLINE F32x16 LoadSome(const T* from, int64_t count) {
  return count >= kLanes ? Load(from) : LoadPartial(from, count, 0.0f);
}

template <typename T>
TANDEM_INLINE void StoreSome(T* to, F32x16 v, int64_t count) {
  if (count >= kLanes) {
    Store(to, v);
  } else {
    StorePartial(to, v, count);
  }
}

#if TANDEM_REGISTER_BYTES == 32
// For each set of eight lanes, the selected ones first: byte j of entry `bits` is the j-th set bit.
struct CompressTable {
  uint64_t entries[256] = {};
  constexpr CompressTable() {
    for (uint32_t bits = 0; bits < 256; ++bits) {
      int place = 0;
      for (uint32_t lane = 0; lane < 8; ++lane) {
        if ((bits >> lane & 1u) != 0) entries[bits] |= uint64_t{lane} << (8 * place++);
      }
    }
  }
};
static constexpr CompressTable kCompress;
#endif

// Stores the lanes that the mask selects one after the other and returns how many; up to 16
// elements from `to` on may be overwritten.
TANDEM_INLINE int64_t StoreSelected(int32_t* to, I32x16 v, I32x16 mask) {
  const uint32_t bits = MaskBits(mask);
#if TANDEM_REGISTER_BYTES == 64
  // Compressed in a register: compressing to memory is microcode on Zen 4.
  const __m512i packed = _mm512_maskz_compress_epi32(static_cast<__mmask16>(bits),
                                                     reinterpret_cast<__m512i>(v.part[0]));
  _mm512_storeu_si512(to, packed);
  return __builtin_popcount(bits);
#elif TANDEM_REGISTER_BYTES == 32
  int64_t count = 0;
#pragma GCC unroll 2
  for (int i = 0; i < kParts; ++i) {
    const uint32_t eight = bits >> (8 * i) & 0xffu;
    const __m128i places = _mm_cvtsi64_si128(static_cast<int64_t>(kCompress.entries[eight]));
    const __m256i packed = _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(v.part[i]),
                                                       _mm256_cvtepu8_epi32(places));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + count), packed);
    count += __builtin_popcount(eight);
  }
  return count;
#else
  int64_t count = 0;
  int32_t values[kLanes];
  Store(values, v);
  for (int lane = 0; lane < kLanes; ++lane) {
    to[count] = values[lane];  // overwritten by the next unless it is selected
    count += bits >> lane & 1u;
  }
  return count;
#endif
}

// ---- Functions ----

// e^x within 1 ulp (tests/kernels/cpu/vec_test.cc): 0 below -87.33654 (before the result
// would be denormal), infinity above 88.72283, NaN for NaN. Cephes expf's polynomial on
// [-ln2/2, ln2/2] after x = n ln2 + r; 2^n is added to the exponent field.
TANDEM_INLINE F32x16 Exp(F32x16 x) {
  const F32x16 shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to integer
  const F32x16 n = shifted - 12582912.0f;
  const F32x16 r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  F32x16 p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // Unsigned: outside the range the sum wraps, and is not used.
  const U32x16 scaled = BitCast<uint32_t>(p) + (BitCast<uint32_t>(shifted) << 23);
  const F32x16 in_range = Select(x < -87.33654f, F32x16(0.0f), BitCast<float>(scaled));
  return Select(x <= 88.72283f, in_range, x + __builtin_inff());
}

// x / (1 + e^-x).
TANDEM_INLINE F32x16 Silu(F32x16 x) { return x / (1.0f + Exp(-x)); }

}  // namespace TANDEM_LANES
}  // namespace tandem::cpu
