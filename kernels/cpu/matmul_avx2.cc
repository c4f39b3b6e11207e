// Matmul kernels for AVX2, FMA and F16C. Sixteen registers hold six rows by sixteen columns; fewer
// rows take more columns at once, so that enough sums are in flight.

#include <immintrin.h>

#include "kernels/cpu/matmul_tile.h"

namespace tandem::cpu {
namespace {

struct Avx2Base {
  using Floats = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kMaxRows = 6;
  static constexpr int Vectors(int rows) { return rows == 1 ? 8 : rows == 2 ? 4 : 2; }

  static __m256i FirstLanes(int64_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
  }
  static Floats Add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static Floats LoadFloats(const float* p) { return _mm256_loadu_ps(p); }
  static Floats LoadSome(const float* p, int64_t count) {
    return _mm256_maskload_ps(p, FirstLanes(count));
  }
  static void StoreFloats(float* p, Floats v) { _mm256_storeu_ps(p, v); }
  static void StoreSome(float* p, Floats v, int64_t count) {
    _mm256_maskstore_ps(p, FirstLanes(count), v);
  }
};

struct Avx2Float : Avx2Base {
  using Accumulator = __m256;
  using Weights = __m256;
  using Input = __m256;
  static constexpr int kPhases = 1;

  static Accumulator Zero() { return _mm256_setzero_ps(); }
  static Input Broadcast(const std::byte* p) {
    float value;
    __builtin_memcpy(&value, p, sizeof(value));
    return _mm256_set1_ps(value);
  }
  static Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) {
    return _mm256_fmadd_ps(w, x, sum);
  }
  static Floats Finish(Accumulator sum, const MatmulOperands&, int64_t, int64_t) { return sum; }
};

struct Avx2F32 : Avx2Float {
  static constexpr int kColumnBytes = 4;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
};

struct Avx2F16 : Avx2Float {
  static constexpr int kColumnBytes = 2;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
};

struct Avx2Bf16 : Avx2Float {
  static constexpr int kColumnBytes = 4;
  static constexpr int kPhases = 2;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    const __m256i pair = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    if constexpr (kPhase == 0) {
      return _mm256_castsi256_ps(
          _mm256_and_si256(pair, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
    } else {
      return _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16));
    }
  }
};

// Two of a group's four weights in each phase, as i16: (0, 2), then (1, 3).
struct Avx2I8 : Avx2Base {
  using Accumulator = __m256i;
  using Weights = __m256i;
  using Input = __m256i;
  static constexpr int kPhases = 2;
  static constexpr int kColumnBytes = 4;

  static Accumulator Zero() { return _mm256_setzero_si256(); }
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    const __m256i four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm256_srai_epi16(kPhase == 0 ? _mm256_slli_epi16(four, 8) : four, 8);
  }
  static Input Broadcast(const std::byte* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof(pair));
    return _mm256_set1_epi32(pair);
  }
  static Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(w, x));
  }
  static Floats Finish(Accumulator sum, const MatmulOperands& operands, int64_t row,
                       int64_t column) {
    const __m256 x_scale = _mm256_set1_ps(operands.x_scales[row]);
    const __m256 w_scale = _mm256_loadu_ps(operands.w_scales + column);
    return _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), x_scale), w_scale);
  }
};

}  // namespace

const MatmulKernels kAvx2Matmul{
    .f32 = {InputForm::kPlain, 1, 6, 2.0, RunTiles<Avx2F32>},
    .f16 = {InputForm::kPlain, 1, 6, 2.0, RunTiles<Avx2F16>},
    .bf16 = {InputForm::kSwappedF32, 2, 6, 2.0, RunTiles<Avx2Bf16>},
    .i8 = {InputForm::kSplitI16, 4, 6, 2.0, RunTiles<Avx2I8>},
};

}  // namespace tandem::cpu
