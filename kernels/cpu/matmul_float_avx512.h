#pragma once
// The part of an AVX-512 kernel that deals in f32 vectors: y, bias and scales. Included only by
// files compiled for AVX-512; local to each of them.

#include <immintrin.h>

#include "kernels/cpu/matmul_tile.h"

namespace tandem::cpu {
namespace {

struct Avx512Base {
  using Floats = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kMaxRows = 6;
  static constexpr int Vectors(int) { return 4; }

  static __mmask16 FirstLanes(int64_t count) {
    return static_cast<__mmask16>((1u << static_cast<unsigned>(count)) - 1u);
  }
  static Floats Add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats LoadFloats(const float* p) { return _mm512_loadu_ps(p); }
  static Floats LoadSome(const float* p, int64_t count) {
    return _mm512_maskz_loadu_ps(FirstLanes(count), p);
  }
  static void StoreFloats(float* p, Floats v) { _mm512_storeu_ps(p, v); }
  static void StoreSome(float* p, Floats v, int64_t count) {
    _mm512_mask_storeu_ps(p, FirstLanes(count), v);
  }
};

// Integer sums become f32 in the one form that every instruction set shares: (sum * x) * w.
struct Avx512Integer : Avx512Base {
  using Accumulator = __m512i;
  using Weights = __m512i;
  using Input = __m512i;
  static constexpr int kColumnBytes = 4;

  static Accumulator Zero() { return _mm512_setzero_si512(); }
  static Input Broadcast(const std::byte* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof(four));
    return _mm512_set1_epi32(four);
  }
  static Floats Finish(Accumulator sum, const MatmulOperands& operands, int64_t row,
                       int64_t column) {
    const __m512 x_scale = _mm512_set1_ps(operands.x_scales[row]);
    const __m512 w_scale = _mm512_loadu_ps(operands.w_scales + column);
    return _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), x_scale), w_scale);
  }
};

}  // namespace
}  // namespace tandem::cpu
