// Matmul kernels that AVX-512 BF16 and VNNI add: two bf16 or four i8 products an instruction and
// lane.

#include "kernels/cpu/matmul_float_avx512.h"

namespace tandem::cpu {
namespace {

// vdpbf16ps is fma(odd element) then fma(even), each rounded, denormals flushed.
struct DotBf16 : Avx512Base {
  using Accumulator = __m512;
  using Weights = __m512bh;
  using Input = __m512bh;
  static constexpr int kPhases = 1;
  static constexpr int kColumnBytes = 4;

  static Accumulator Zero() { return _mm512_setzero_ps(); }
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p));
  }
  static Input Broadcast(const std::byte* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof(pair));
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
  }
  static Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) {
    return _mm512_dpbf16_ps(sum, x, w);
  }
  static Floats Finish(Accumulator sum, const MatmulOperands&, int64_t, int64_t) { return sum; }
};

// vpdpbusd multiplies unsigned by signed, so x comes plus 128 and Finish takes 128 times the sum of
// the weights away again; all of it is exact.
struct DotI8 : Avx512Integer {
  static constexpr int kPhases = 1;
  template <int kPhase>
  static Weights LoadWeights(const std::byte* p) {
    return _mm512_loadu_si512(p);
  }
  static Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) {
    // Not _mm512_dpbusd_epi32: g++ 12 spills the accumulators of tall tiles around it, at half
    // speed.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
  }
  static Floats Finish(Accumulator sum, const MatmulOperands& operands, int64_t row,
                       int64_t column) {
    const __m512i w_sum = _mm512_loadu_si512(operands.w_sums + column);
    const __m512i signed_sum = _mm512_sub_epi32(sum, _mm512_slli_epi32(w_sum, 7));
    return Avx512Integer::Finish(signed_sum, operands, row, column);
  }
};

}  // namespace

const MatmulKernels kAvx512Bf16Matmul{
    .bf16 = {InputForm::kPlain, 2, 6, 4.0, RunTiles<DotBf16>},
    .i8 = {InputForm::kUnsigned, 4, 6, 8.0, RunTiles<DotI8>},
};

}  // namespace tandem::cpu
