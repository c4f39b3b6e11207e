// Loops that do one thing as fast as the instruction set can. Compiled once for each set, with
// TANDEM_ISA naming the namespace; as in kernels/cpu/vec.h, nothing here calls inline functions of
// general headers.

#include "tests/bench/ceiling_loops.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define TANDEM_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define TANDEM_VECTOR_BYTES 32
#else
#define TANDEM_VECTOR_BYTES 16
#endif

namespace tandem::TANDEM_ISA {
namespace {

typedef float Floats __attribute__((vector_size(TANDEM_VECTOR_BYTES)));
typedef int32_t Ints __attribute__((vector_size(TANDEM_VECTOR_BYTES)));
constexpr int kLanes = TANDEM_VECTOR_BYTES / 4;
constexpr int kChains = 12;  // independent sums: two units of latency five, and some

// The compiler must not see through a value that went through here.
template <typename T>
[[gnu::always_inline]] inline void Opaque(T& value) {
#if defined(__AVX512F__)
  asm volatile("" : "+v"(value));
#elif defined(__x86_64__)
  asm volatile("" : "+x"(value));
#else
  asm volatile("" : "+w"(value));
#endif
}

float Read(const std::byte* data, int64_t size_bytes) {
  constexpr int kUnroll = 1024 / TANDEM_VECTOR_BYTES / 2;
  Ints sums[8] = {};
  for (int64_t i = 0; i < size_bytes; i += kUnroll * TANDEM_VECTOR_BYTES) {
#pragma GCC unroll 32
    for (int j = 0; j < kUnroll; ++j) {
      Ints v;
      std::memcpy(&v, data + i + j * TANDEM_VECTOR_BYTES, sizeof(v));
      sums[j % 8] |= v;
    }
  }
  Ints all = {};
  for (const Ints& sum : sums) all |= sum;
  return static_cast<float>(all[0]);
}

[[gnu::always_inline]] inline Floats MultiplyAdd(Floats a, Floats b, Floats sum) {
#if defined(__AVX512F__)
  return reinterpret_cast<Floats>(_mm512_fmadd_ps(
      reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(sum)));
#elif defined(__FMA__)
  return reinterpret_cast<Floats>(_mm256_fmadd_ps(
      reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(sum)));
#else
  return sum + a * b;
#endif
}

// kChains sums, each a step further at each step.
template <typename Vector, typename Step>
[[gnu::always_inline]] inline float RunChains(int64_t steps, Step step) {
  Vector sums[kChains] = {}, x = {}, y = {};
  for (int64_t i = 0; i < steps; ++i) {
    Opaque(x);
    Opaque(y);
#pragma GCC unroll 16
    for (int chain = 0; chain < kChains; ++chain) {
      sums[chain] = step(x, y, sums[chain]);
      Opaque(sums[chain]);
    }
  }
  float result;
  std::memcpy(&result, &sums[0], sizeof(result));
  return result;
}

float RunF32(int64_t steps) { return RunChains<Floats>(steps, MultiplyAdd); }

#if defined(__AVX512BF16__)
float RunBf16Dot(int64_t steps) {
  return RunChains<__m512>(steps, [](__m512 x, __m512 y, __m512 sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(y));
  });
}
#endif

#if defined(__AMX_INT8__)
// RunI8Tiles, below.
#elif defined(__AVX512VNNI__)
constexpr int64_t kI8Flops = kChains * 16 * 8;
float RunI8(int64_t steps) {
  return RunChains<__m512i>(steps, [](__m512i x, __m512i y, __m512i sum) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
    return sum;
  });
}
#elif defined(__AVX512BW__)
constexpr int64_t kI8Flops = kChains * 16 * 4;  // as i16
float RunI8(int64_t steps) {
  return RunChains<__m512i>(steps, [](__m512i x, __m512i y, __m512i sum) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(x, y));
  });
}
#elif defined(__AVX2__)
constexpr int64_t kI8Flops = kChains * 8 * 4;
float RunI8(int64_t steps) {
  return RunChains<__m256i>(steps, [](__m256i x, __m256i y, __m256i sum) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
  });
}
#elif defined(__SSE2__)
constexpr int64_t kI8Flops = kChains * 4 * 4;
float RunI8(int64_t steps) {
  return RunChains<__m128i>(steps, [](__m128i x, __m128i y, __m128i sum) {
    return _mm_add_epi32(sum, _mm_madd_epi16(x, y));
  });
}
#endif

#if defined(__AMX_BF16__) && defined(__AMX_INT8__)
constexpr int64_t kTileSteps = 4;  // products of a step: two by two tiles

// Eight tiles of 16 rows of 64 bytes: four sums, two of x, two of weights.
void ConfigureTiles() {
  alignas(64) uint8_t config[64] = {1};
  for (int tile = 0; tile < 8; ++tile) {
    config[16 + 2 * tile] = 64;
    config[48 + tile] = 16;
  }
  asm volatile("ldtilecfg %0" ::"m"(config));  // the intrinsic reads eight bytes, says g++ 12
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

float RunBf16Tiles(int64_t steps) {
  ConfigureTiles();
  for (int64_t i = 0; i < steps; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 0.0f;
}

// Eight steps of k, again and again: 16 KiB of x and 16 of weights.
float RunBf16Loads(int64_t steps) {
  ConfigureTiles();
  alignas(64) static thread_local std::byte tiles[2][8][2][1024];
  for (int64_t i = 0; i < steps; ++i) {
    const auto& x = tiles[0][i % 8];
    const auto& w = tiles[1][i % 8];
    _tile_loadd(4, x[0], 64);
    _tile_loadd(6, w[0], 64);
    _tile_loadd(7, w[1], 64);
    _tile_loadd(5, x[1], 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 0.0f;
}

float RunI8Tiles(int64_t steps) {
  ConfigureTiles();
  for (int64_t i = 0; i < steps; ++i) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
  return 0.0f;
}
#endif

}  // namespace

extern const CeilingLoops kCeilingLoops;
const CeilingLoops kCeilingLoops = {
    .read = Read,
    .f32 = {RunF32, kChains* kLanes * 2},
#if defined(__AVX512BF16__)
    .bf16_dot = {RunBf16Dot, kChains* kLanes * 4},
#endif
#if defined(__AMX_BF16__) && defined(__AMX_INT8__)
    .bf16_tiles = {RunBf16Tiles, kTileSteps * 2 * 16 * 16 * 32},
    .bf16_loads = {RunBf16Loads, kTileSteps * 2 * 16 * 16 * 32},
    .i8 = {RunI8Tiles, kTileSteps * 2 * 16 * 16 * 64},
#elif defined(__SSE2__)
    .i8 = {RunI8, kI8Flops},
#endif
};

}  // namespace tandem::TANDEM_ISA
