// Matmul kernels on AMX tiles: bf16 and i8. A tile of weights is 16 groups of k by 16 columns,
// which is how a panel already lies; a tile of x is 16 rows by 64 bytes. Four accumulator tiles are
// two by two (or one by four for at most 16 rows).
//
// TDPBF16PS sums the even and the odd products of 16 pairs apart, from zero, and adds their sum to
// the accumulator: not what AVX-512 BF16 does, so this instruction set computes all bf16 products
// with it, for one row as for many. k is padded to whole tiles with zeros in x and in a copy of the
// last weights.

#include "kernels/cpu/matmul_float_avx512.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileColumns = 16;
constexpr int64_t kTileRowBytes = 64;
constexpr int64_t kPanelRowBytes = 4 * kPanelColumns;  // one group of k, all columns

// The operand of LDTILECFG (Intel SDM volume 1, 18.3).
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles in use: 0-3 accumulators and 4-5 x, of `x_rows` rows; the rest hold weights (narrow tiles
// use 5 for weights: then x_rows of tile 5 must be 16).
class TileScope {
 public:
  TileScope(int64_t x_rows, int num_x_tiles) {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = kTileRowBytes;
      config.rows[tile] = static_cast<uint8_t>(tile < 4 + num_x_tiles ? x_rows : kTileRows);
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
  ~TileScope() { _tile_release(); }
};

// The intrinsics take tile numbers as literals, so each arrangement is spelled out.
struct AmxBf16 : Avx512Base {
  using Accumulator = __m512;
  static Accumulator Load(const float* p) { return _mm512_load_ps(p); }
  static Floats Finish(Accumulator sum, const MatmulOperands&, int64_t, int64_t) { return sum; }
  static void MultiplyWide() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  static void MultiplyNarrow(const std::byte* w) {
    _tile_loadd(5, w, kPanelRowBytes);
    _tile_dpbf16ps(0, 4, 5);
    _tile_loadd(6, w + kTileRowBytes, kPanelRowBytes);
    _tile_dpbf16ps(1, 4, 6);
    _tile_loadd(7, w + 2 * kTileRowBytes, kPanelRowBytes);
    _tile_dpbf16ps(2, 4, 7);
    _tile_loadd(5, w + 3 * kTileRowBytes, kPanelRowBytes);
    _tile_dpbf16ps(3, 4, 5);
  }
};

struct AmxI8 : Avx512Integer {
  static Accumulator Load(const float* p) { return _mm512_load_si512(p); }
  static void MultiplyWide() {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  static void MultiplyNarrow(const std::byte* w) {
    _tile_loadd(5, w, kPanelRowBytes);
    _tile_dpbssd(0, 4, 5);
    _tile_loadd(6, w + kTileRowBytes, kPanelRowBytes);
    _tile_dpbssd(1, 4, 6);
    _tile_loadd(7, w + 2 * kTileRowBytes, kPanelRowBytes);
    _tile_dpbssd(2, 4, 7);
    _tile_loadd(5, w + 3 * kTileRowBytes, kPanelRowBytes);
    _tile_dpbssd(3, 4, 5);
  }
};

// The groups of k past the last whole tile, padded with zero groups; empty where k needs none.
struct PanelTail {
  alignas(64) std::byte groups[kTileRows * kPanelRowBytes];

  void Copy(const MatmulOperands& operands, int64_t panel) {
    const int64_t num_groups = operands.num_groups % kTileRows;
    if (num_groups == 0) return;
    const int64_t bytes = num_groups * kPanelRowBytes;
    __builtin_memcpy(groups, operands.w + (panel + 1) * operands.panel_bytes - bytes,
                     static_cast<size_t>(bytes));
    __builtin_memset(groups + bytes, 0, sizeof(groups) - static_cast<size_t>(bytes));
    asm volatile("" ::: "memory");  // tile loads do not tell the compiler what they read
  }
};

// Accumulator tiles on their way to y.
struct Sums {
  alignas(64) float tiles[4][kTileRows * kTileColumns];
};

// Rows [first, last) of x live in the tile whose row 0 is x's row `tile_row`.
template <typename Kernel>
void StoreTile(const MatmulOperands& operands, const float* tile, int64_t tile_row, int64_t first,
               int64_t last, int64_t column) {
  for (int64_t row = first; row < last; ++row) {
    StoreVector<Kernel>(operands, row, column,
                        Kernel::Load(tile + (row - tile_row) * kTileColumns));
  }
}

// Up to 16 rows starting at tile_row, by a whole panel; stores rows [first, last).
template <typename Kernel>
void NarrowTile(const MatmulOperands& operands, const PanelTail& tail, int64_t tile_row,
                int64_t first, int64_t last, int64_t panel) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const std::byte* x = operands.x + tile_row * operands.x_row_bytes;
  const std::byte* w = operands.w + panel * operands.panel_bytes;
  for (int64_t left = operands.num_groups; left > 0; left -= kTileRows) {
    _tile_loadd(4, x, operands.x_row_bytes);
    Kernel::MultiplyNarrow(left >= kTileRows ? w : tail.groups);
    x += kTileRowBytes;
    w += kTileRows * kPanelRowBytes;
  }
  Sums sums;
  _tile_stored(0, sums.tiles[0], kTileRowBytes);
  _tile_stored(1, sums.tiles[1], kTileRowBytes);
  _tile_stored(2, sums.tiles[2], kTileRowBytes);
  _tile_stored(3, sums.tiles[3], kTileRowBytes);
  for (int64_t tile = 0; tile < 4; ++tile) {
    StoreTile<Kernel>(operands, sums.tiles[tile], tile_row, first, last,
                      panel * kPanelColumns + tile * kTileColumns);
  }
}

// 17 to 32 rows [first, last) by half a panel. The second tile of x ends with the last row, so the
// two may overlap: then it recomputes rows that the first one stores.
template <typename Kernel>
void WideTile(const MatmulOperands& operands, const PanelTail& tail, int64_t first, int64_t last,
              int64_t panel, int64_t half) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int64_t second = last - kTileRows;
  const int64_t half_offset = half * 2 * kTileRowBytes;
  const std::byte* x0 = operands.x + first * operands.x_row_bytes;
  const std::byte* x1 = operands.x + second * operands.x_row_bytes;
  const std::byte* panel_w = operands.w + panel * operands.panel_bytes;
  for (int64_t left = operands.num_groups; left > 0; left -= kTileRows) {
    const std::byte* w = (left >= kTileRows ? panel_w : tail.groups) + half_offset;
    _tile_loadd(4, x0, operands.x_row_bytes);
    _tile_loadd(6, w, kPanelRowBytes);
    _tile_loadd(7, w + kTileRowBytes, kPanelRowBytes);
    _tile_loadd(5, x1, operands.x_row_bytes);
    Kernel::MultiplyWide();
    x0 += kTileRowBytes;
    x1 += kTileRowBytes;
    panel_w += kTileRows * kPanelRowBytes;
  }
  Sums sums;
  _tile_stored(0, sums.tiles[0], kTileRowBytes);
  _tile_stored(1, sums.tiles[1], kTileRowBytes);
  _tile_stored(2, sums.tiles[2], kTileRowBytes);
  _tile_stored(3, sums.tiles[3], kTileRowBytes);
  const int64_t column = panel * kPanelColumns + half * 2 * kTileColumns;
  for (int64_t tile = 0; tile < 2; ++tile) {
    const int64_t at = column + tile * kTileColumns;
    StoreTile<Kernel>(operands, sums.tiles[tile], first, first, first + kTileRows, at);
    StoreTile<Kernel>(operands, sums.tiles[2 + tile], second, first + kTileRows, last, at);
  }
}

// At least 16 rows: every tile of x is full, the last ones by overlapping the ones before.
template <typename Kernel>
void RunFullTiles(const MatmulOperands& operands, const MatmulBlock& block) {
  const TileScope scope(kTileRows, 2);
  PanelTail tail;
  for (int64_t panel = block.panel_begin; panel < block.panel_end; ++panel) {
    tail.Copy(operands, panel);
    for (int64_t row = block.row_begin; row < block.row_end; row += 2 * kTileRows) {
      const int64_t left = block.row_end - row;
      if (left <= kTileRows) {
        NarrowTile<Kernel>(operands, tail, block.row_end - kTileRows, row, block.row_end, panel);
        continue;
      }
      const int64_t last = row + (left < 2 * kTileRows ? left : 2 * kTileRows);
      WideTile<Kernel>(operands, tail, row, last, panel, 0);
      WideTile<Kernel>(operands, tail, row, last, panel, 1);
    }
  }
}

template <typename Kernel>
void RunAmx(const MatmulOperands& operands, const MatmulBlock& block) {
  const int64_t num_rows = block.row_end - block.row_begin;
  if (num_rows >= kTileRows) {
    RunFullTiles<Kernel>(operands, block);
    return;
  }
  const TileScope scope(num_rows, 1);
  PanelTail tail;
  for (int64_t panel = block.panel_begin; panel < block.panel_end; ++panel) {
    tail.Copy(operands, panel);
    NarrowTile<Kernel>(operands, tail, block.row_begin, block.row_begin, block.row_end, panel);
  }
}

}  // namespace

const MatmulKernels kAmxMatmul{
    .bf16 = {InputForm::kPlain, 32, 32, 64.0, RunAmx<AmxBf16>},
    .i8 = {InputForm::kPlain, 64, 32, 128.0, RunAmx<AmxI8>},
};

}  // namespace tandem::cpu
