#pragma once
// A weights' gradient on AMX tiles, for one block of its rows and panels. Internal to the CPU
// matmul's backward.

#include <cstddef>
#include <cstdint>

namespace tandem::cpu {

constexpr int64_t kAmxPanelColumns = 32;

// The columns of x [tokens, columns] (bf16) as panels of 32: pairs of tokens [begin, end), zero from
// `tokens` on.
void PackAmxPanels(const std::byte* x, int64_t tokens, int64_t columns, int64_t begin, int64_t end,
                   std::byte* panels, int64_t panel_bytes);

// dw = dy^T x. x is packed as the panels of x^T, zero from `tokens` on to a whole number of tiles.
struct AmxGradientOperands {
  const std::byte* dy;  // [tokens, n], bf16
  int64_t tokens;
  int64_t n;
  const std::byte* panels;
  int64_t panel_bytes;
  float* dw;  // [n, k]
  int64_t k;
  bool add_to_dw;
};

// Rows of dw and panels of x; at most kAmxGradientRows and kAmxGradientPanels.
struct AmxGradientBlock {
  int64_t row_begin;
  int64_t row_end;
  int64_t panel_begin;
  int64_t panel_end;
};

constexpr int64_t kAmxGradientRows = 256;
constexpr int64_t kAmxGradientPanels = 16;
constexpr int64_t kAmxGradientTokens = 32;  // of a tile: panels are padded to so many
extern const int64_t kAmxGradientScratchBytes;

// `scratch`: kAmxGradientScratchBytes, 64-byte aligned, of the calling thread.
void RunAmxGradient(const AmxGradientOperands& operands, const AmxGradientBlock& block,
                    std::byte* scratch);

}  // namespace tandem::cpu
