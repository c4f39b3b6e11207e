// dw = dy^T x on AMX tiles. The tokens, in which the sums run, are cut, so that what 32 rows by 32
// columns need of a cut (16 + 16 KiB) stays in the first cache, and a block's dy turned over
// (144 KiB), panels (256 KiB) and sums (528 KiB) in the second. Sums wait in scratch between cuts,
// which changes no bit: tiles add to what they hold, a tile of 32 tokens after the other.

#include "kernels/cpu/matmul_backward_amx.h"

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/amx_transpose.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kPanelRowBytes = 4 * kAmxPanelColumns;  // a pair of tokens, all columns
constexpr int64_t kCutTokens = 256;
// Rows of a multiple of 4 KiB would share the same few places of the first cache.
constexpr int64_t kTurnedRowBytes = 2 * kCutTokens + 64;
constexpr int64_t kSumColumns = kAmxGradientPanels * kAmxPanelColumns + 16;
constexpr int64_t kSumRowBytes = kSumColumns * static_cast<int64_t>(sizeof(float));
constexpr int64_t kSumsBytes = kAmxGradientRows * kSumRowBytes;

int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Tokens [begin, end) of rows [row_begin, row_end) of dy^T, in whole tiles.
void Turn(const AmxGradientOperands& operands, const AmxGradientBlock& block, int64_t begin,
          int64_t end, std::byte* turned) {
  const int64_t row_bytes = 2 * operands.n;
  for (int64_t token = begin; token < end; token += 32) {
    const std::byte* dy = operands.dy + token * row_bytes;
    std::byte* to = turned + 2 * (token - begin);
    for (int64_t row = block.row_begin; row < block.row_end; row += 32) {
      TurnTile(dy + 2 * row, row_bytes, operands.tokens - token, FirstLanes(operands.n - row),
               to + (row - block.row_begin) * kTurnedRowBytes, kTurnedRowBytes);
    }
  }
}

enum class Start : uint8_t { kZero, kContinue };

// 32 rows by a panel.
inline void MultiplyTile(const std::byte* turned, const std::byte* panel, int64_t num_steps,
                         float* sums, Start start) {
  constexpr int64_t kBelow = kTileRows * kSumColumns;
  if (start == Start::kZero) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, sums, kSumRowBytes);
    _tile_loadd(1, sums + kTileColumns, kSumRowBytes);
    _tile_loadd(2, sums + kBelow, kSumRowBytes);
    _tile_loadd(3, sums + kBelow + kTileColumns, kSumRowBytes);
  }
  for (int64_t step = 0; step < num_steps; ++step) {
    _tile_loadd(4, turned, kTurnedRowBytes);
    _tile_loadd(6, panel, kPanelRowBytes);
    _tile_loadd(7, panel + kTileRowBytes, kPanelRowBytes);
    _tile_loadd(5, turned + kTileRows * kTurnedRowBytes, kTurnedRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    turned += kTileRowBytes;
    panel += kTileRows * kPanelRowBytes;
  }
  _tile_stored(0, sums, kSumRowBytes);
  _tile_stored(1, sums + kTileColumns, kSumRowBytes);
  _tile_stored(2, sums + kBelow, kSumRowBytes);
  _tile_stored(3, sums + kBelow + kTileColumns, kSumRowBytes);
}

void WriteSums(const AmxGradientOperands& operands, const AmxGradientBlock& block,
               const float* sums) {
  const int64_t first = block.panel_begin * kAmxPanelColumns;
  const int64_t width = Smaller(operands.k, block.panel_end * kAmxPanelColumns) - first;
  for (int64_t row = block.row_begin; row < block.row_end; ++row, sums += kSumColumns) {
    float* dw = operands.dw + row * operands.k + first;
    for (int64_t i = 0; i < width; i += 16) {
      const auto lanes = static_cast<__mmask16>(FirstLanes(Smaller(width - i, 16)));
      __m512 v = _mm512_load_ps(sums + i);
      if (operands.add_to_dw) v = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, dw + i), v);
      _mm512_mask_storeu_ps(dw + i, lanes, v);
    }
  }
}

}  // namespace

void PackAmxPanels(const std::byte* x, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
                   std::byte* panels, int64_t panel_bytes) {
  // Pairs of columns 0-7, 16-23, and of the others, come as 0-3, 8-11, 16-19, ... from unpacking.
  const __m512i low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
  const __m512i high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
  const int64_t row_bytes = 2 * columns;
  for (int64_t pair = begin; pair < end; ++pair) {
    const std::byte* at = x + 2 * pair * row_bytes;
    std::byte* to = panels + pair * kPanelRowBytes;
    for (int64_t column = 0; column < columns; column += kAmxPanelColumns) {
      const __mmask32 lanes = FirstLanes(columns - column);
      __m512i first = _mm512_setzero_si512(), second = first;
      if (2 * pair < tokens) first = _mm512_maskz_loadu_epi16(lanes, at + 2 * column);
      if (2 * pair + 1 < tokens) {
        second = _mm512_maskz_loadu_epi16(lanes, at + row_bytes + 2 * column);
      }
      const __m512i a = _mm512_unpacklo_epi16(first, second);
      const __m512i b = _mm512_unpackhi_epi16(first, second);
      std::byte* line = to + column / kAmxPanelColumns * panel_bytes;
      _mm512_storeu_si512(line, _mm512_permutex2var_epi64(a, low, b));
      _mm512_storeu_si512(line + 64, _mm512_permutex2var_epi64(a, high, b));
    }
  }
}

const int64_t kAmxGradientScratchBytes = kSumsBytes + kAmxGradientRows * kTurnedRowBytes;

void RunAmxGradient(const AmxGradientOperands& operands, const AmxGradientBlock& block,
                    std::byte* scratch) {
  const TileScope scope(kTileRows, 2);
  auto* sums = reinterpret_cast<float*>(scratch);
  std::byte* turned = scratch + kSumsBytes;
  int64_t begin = 0;
  do {  // no tokens are one empty cut: zeros
    const int64_t end = Smaller(begin + kCutTokens, operands.tokens);
    const int64_t num_steps = (end - begin + kAmxGradientTokens - 1) / kAmxGradientTokens;
    Turn(operands, block, begin, end, turned);
    asm volatile("" ::: "memory");  // tile loads do not tell the compiler what they read
    const Start start = begin == 0 ? Start::kZero : Start::kContinue;
    for (int64_t row = 0; row < block.row_end - block.row_begin; row += 2 * kTileRows) {
      for (int64_t panel = block.panel_begin; panel < block.panel_end; ++panel) {
        MultiplyTile(
            turned + row * kTurnedRowBytes,
            operands.panels + panel * operands.panel_bytes + begin / 2 * kPanelRowBytes, num_steps,
            sums + row * kSumColumns + (panel - block.panel_begin) * kAmxPanelColumns, start);
      }
    }
    begin += kCutTokens;
  } while (begin < operands.tokens);
  WriteSums(operands, block, sums);
}

}  // namespace tandem::cpu
