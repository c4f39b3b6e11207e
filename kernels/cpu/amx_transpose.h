#pragma once
// Transposes in AVX-512 registers, for operands of AMX tiles. Included only by files compiled for
// AMX; local to each of them.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace tandem::cpu {
namespace {

inline __mmask32 FirstLanes(int64_t count) {
  return count >= 32 ? ~__mmask32{0} : (__mmask32{1} << static_cast<unsigned>(count)) - 1u;
}

// rows[i], lane j becomes rows[j], lane i.
inline void TransposeWords(__m512i (&rows)[16]) {
  __m512i a[16], b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // b[4 q + i] has words i, 4 + i, 8 + i, 12 + i of rows 4 q ..
    const __m512i even01 = _mm512_shuffle_i32x4(b[i], b[4 + i], 0x88);
    const __m512i odd01 = _mm512_shuffle_i32x4(b[i], b[4 + i], 0xdd);
    const __m512i even23 = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0x88);
    const __m512i odd23 = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0xdd);
    rows[i] = _mm512_shuffle_i32x4(even01, even23, 0x88);
    rows[4 + i] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
    rows[8 + i] = _mm512_shuffle_i32x4(even01, even23, 0xdd);
    rows[12 + i] = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
  }
}

// 32 tokens of 32 columns of bf16, as 32 rows of 32 tokens. Lanes past `columns`, and tokens past
// `tokens`, are zero. Neighbouring tokens are paired first, then pairs are transposed as 32-bit
// words, which is half the shuffles of 16-bit ones. `to` is 64-byte aligned.
inline void TurnTile(const std::byte* from, int64_t from_row_bytes, int64_t tokens,
                     __mmask32 columns, std::byte* to, int64_t to_row_bytes) {
  __m512i low[16], high[16];  // pairs of columns 0-3, 8-11, 16-19, 24-27, and of the others
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const std::byte* at = from + 2 * i * from_row_bytes;
    __m512i first = _mm512_setzero_si512(), second = first;
    if (2 * i < tokens) first = _mm512_maskz_loadu_epi16(columns, at);
    if (2 * i + 1 < tokens) second = _mm512_maskz_loadu_epi16(columns, at + from_row_bytes);
    low[i] = _mm512_unpacklo_epi16(first, second);
    high[i] = _mm512_unpackhi_epi16(first, second);
  }
  TransposeWords(low);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    _mm512_store_si512(to + (8 * (i / 4) + i % 4) * to_row_bytes, low[i]);
  }
  TransposeWords(high);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    _mm512_store_si512(to + (8 * (i / 4) + i % 4 + 4) * to_row_bytes, high[i]);
  }
}

}  // namespace
}  // namespace tandem::cpu
