// Matmul kernels for AVX-512 without BF16 and VNNI: f32 and f16 for every later set too; bf16
// widens each half of a pair, i8 multiplies as i16.

#include "kernels/cpu/matmul_float_avx512.h"

namespace tandem::cpu {
namespace {

struct Avx512Float : Avx512Base {
  using Accumulator = __m512;
  using Weights = __m512;
  using Input = __m512;
  static constexpr int kPhases = 1;

  static Accumulator Zero() { return _mm512_setzero_ps(); }
  static Input Broadcast(const std::byte* p) {
    float value;
    __builtin_memcpy(&value, p, sizeof(value));
    return _mm512_set1_ps(value);
  }
  static Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) {
    return _mm512_fmadd_ps(w, x, sum);
  }
  static Floats Finish(Accumulator sum, const MatmulOperands&, int64_t, int64_t) { return sum; }
};

struct Avx512F32 : Avx512Float {
  static constexpr int kColumnBytes = 4;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    return _mm512_loadu_ps(p);
  }
};

struct Avx512F16 : Avx512Float {
  static constexpr int kColumnBytes = 2;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
};

struct Avx512WidenedBf16 : Avx512Float {
  static constexpr int kColumnBytes = 4;
  static constexpr int kPhases = 2;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    const __m512i pair = _mm512_loadu_si512(p);
    if constexpr (kPhase == 0) {
      return _mm512_castsi512_ps(
          _mm512_and_si512(pair, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
    } else {
      return _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
    }
  }
};

struct Avx512WidenedI8 : Avx512Integer {
  static constexpr int kPhases = 2;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    const __m512i four = _mm512_loadu_si512(p);
    return _mm512_srai_epi16(kPhase == 0 ? _mm512_slli_epi16(four, 8) : four, 8);
  }
  static Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(w, x));
  }
};

}  // namespace

const MatmulKernels kAvx512Matmul{
    .f32 = {InputForm::kPlain, 1, 6, 2.0, RunTiles<Avx512F32>},
    .f16 = {InputForm::kPlain, 1, 6, 2.0, RunTiles<Avx512F16>},
    .bf16 = {InputForm::kSwappedF32, 2, 6, 2.0, RunTiles<Avx512WidenedBf16>},
    .i8 = {InputForm::kSplitI16, 4, 6, 2.0, RunTiles<Avx512WidenedI8>},
};

}  // namespace tandem::cpu
