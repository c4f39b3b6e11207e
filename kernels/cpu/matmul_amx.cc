// Matmul kernels on AMX tiles: bf16 and i8. A tile of weights is 16 groups of k by 16 columns,
// which is how a panel already lies; a tile of x is 16 rows by 64 bytes. Four accumulator tiles are
// two by two (or one by four for at most 16 rows).
//
// TDPBF16PS sums the even and the odd products of 16 pairs apart, from zero, and adds their sum to
// the accumulator: not what AVX-512 BF16 does, so this instruction set computes all bf16 products
// with it, for one row as for many. k is padded to whole tiles with zeros in x and in a copy of the
// last weights.

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/matmul_float_avx512.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kPanelRowBytes = 4 * kPanelColumns;  // one group of k, all columns

// Weights that the second cache holds while all rows pass over them.
constexpr int64_t kPanelGroupBytes = 512 << 10;

// Up to this many rows stay near while a single panel, still in the first cache or close to it,
// meets all of them.
constexpr int64_t kRowsByPanel = 96;

// The intrinsics take tile numbers as literals, so each arrangement is spelled out.
struct AmxBf16 : Avx512Base {
  using Accumulator = __m512;
  static constexpr bool kSumsAreOutputs = true;
  static Accumulator Load(const float* p) { return _mm512_load_ps(p); }
  static Floats Finish(Accumulator sum, const MatmulOperands&, int64_t, int64_t) { return sum; }
  static void StoreSums(const MatmulOperands& operands, const float* sums, int64_t first,
                        int64_t last, int64_t column) {
    float* y = operands.y + first * operands.n + column;
    for (int64_t row = first; row < last; ++row, y += operands.n, sums += kTileColumns) {
      StoreFloats(y, Load(sums));
    }
  }
  static void MultiplyWide() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  static void MultiplyNarrow(const std::byte* w) {
    _tile_stream_loadd(5, w, kPanelRowBytes);
    _tile_dpbf16ps(0, 4, 5);
    _tile_stream_loadd(6, w + kTileRowBytes, kPanelRowBytes);
    _tile_dpbf16ps(1, 4, 6);
    _tile_stream_loadd(7, w + 2 * kTileRowBytes, kPanelRowBytes);
    _tile_dpbf16ps(2, 4, 7);
    _tile_stream_loadd(5, w + 3 * kTileRowBytes, kPanelRowBytes);
    _tile_dpbf16ps(3, 4, 5);
  }
};

struct AmxI8 : Avx512Integer {
  static constexpr bool kSumsAreOutputs = false;
  static Accumulator Load(const float* p) { return _mm512_load_si512(p); }
  // As Finish, with what the rows share read once: y may be where the scales are, for all that the
  // compiler knows.
  static void StoreSums(const MatmulOperands& operands, const float* sums, int64_t first,
                        int64_t last, int64_t column) {
    const int64_t n = operands.n;
    const float* x_scales = operands.x_scales + first;
    const __m512 w_scale = _mm512_loadu_ps(operands.w_scales + column);
    float* y = operands.y + first * n + column;
#pragma GCC unroll 4
    for (int64_t row = 0; row < last - first; ++row, y += n, sums += kTileColumns) {
      const __m512 scaled =
          _mm512_mul_ps(_mm512_cvtepi32_ps(Load(sums)), _mm512_set1_ps(x_scales[row]));
      StoreFloats(y, _mm512_mul_ps(scaled, w_scale));
    }
  }
  static void MultiplyWide() {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  static void MultiplyNarrow(const std::byte* w) {
    _tile_stream_loadd(5, w, kPanelRowBytes);
    _tile_dpbssd(0, 4, 5);
    _tile_stream_loadd(6, w + kTileRowBytes, kPanelRowBytes);
    _tile_dpbssd(1, 4, 6);
    _tile_stream_loadd(7, w + 2 * kTileRowBytes, kPanelRowBytes);
    _tile_dpbssd(2, 4, 7);
    _tile_stream_loadd(5, w + 3 * kTileRowBytes, kPanelRowBytes);
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

// Weights of the next group of panels, brought into the second cache a few lines at a time while
// this group is multiplied. Tile loads alone leave the memory idle between them.
struct Ahead {
  const std::byte* next;
  const std::byte* end;
  int64_t lines_per_step;

  void Fetch() {
    for (int64_t line = 0; line < lines_per_step && next < end; ++line) {
      __builtin_prefetch(next, 0, 2);
      next += kCacheLineBytes;
    }
  }
};

// Accumulator tiles on their way to y.
struct Sums {
  alignas(64) float tiles[4][kTileRows * kTileColumns];

  void Take() {
    _tile_stored(0, tiles[0], kTileRowBytes);
    _tile_stored(1, tiles[1], kTileRowBytes);
    _tile_stored(2, tiles[2], kTileRowBytes);
    _tile_stored(3, tiles[3], kTileRowBytes);
  }
};

// Rows [first, last) of x live in the tile whose row 0 is x's row `tile_row`.
template <typename Kernel>
void StoreTile(const MatmulOperands& operands, const float* tile, int64_t tile_row, int64_t first,
               int64_t last, int64_t column) {
  const float* sums = tile + (first - tile_row) * kTileColumns;
  if (operands.bias == nullptr && !operands.add_to_y && column + kTileColumns <= operands.n) {
    Kernel::StoreSums(operands, sums, first, last, column);
    return;
  }
  for (int64_t row = first; row < last; ++row, sums += kTileColumns) {
    StoreVector<Kernel>(operands, row, column, Kernel::Load(sums));
  }
}

// Whether tiles of this many columns may be stored over y as they are.
template <typename Kernel>
bool StoresDirectly(const MatmulOperands& operands, int64_t column, int64_t num_columns) {
  return Kernel::kSumsAreOutputs && operands.bias == nullptr && !operands.add_to_y &&
         column + num_columns <= operands.n;
}

// One step of a narrow tile: 16 groups of k, all columns.
constexpr int64_t kNarrowStepBytes = kTileRows * kPanelRowBytes;

// Where the rows of a narrow tile are all there are, its weights are asked for one step ahead, line
// after line: tile loads go down a column of four-line rows, an order in which the hardware does
// not run ahead. With a single row of x and weights that come from memory this more than doubles
// the speed.
void FetchStep(const std::byte* w) {
  for (int64_t line = 0; line < kNarrowStepBytes; line += kCacheLineBytes) {
    __builtin_prefetch(w + line, 0, 3);
  }
}

// Up to 16 rows starting at tile_row, by a whole panel; stores rows [first, last). `ahead` is null
// where no tile before this one has brought the panel.
template <typename Kernel>
void NarrowTile(const MatmulOperands& operands, const PanelTail& tail, int64_t tile_row,
                int64_t first, int64_t last, int64_t panel, Ahead* ahead) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const std::byte* x = operands.x + tile_row * operands.x_row_bytes;
  const std::byte* w = operands.w + panel * operands.panel_bytes;
  for (int64_t left = operands.num_groups; left > 0; left -= kTileRows) {
    if (ahead == nullptr) {
      FetchStep(w + kNarrowStepBytes);
    } else {
      ahead->Fetch();  // a step of a wide tile is half as many products
      ahead->Fetch();
    }
    _tile_loadd(4, x, operands.x_row_bytes);
    Kernel::MultiplyNarrow(left >= kTileRows ? w : tail.groups);
    x += kTileRowBytes;
    w += kNarrowStepBytes;
  }
  const int64_t column = panel * kPanelColumns;
  if (StoresDirectly<Kernel>(operands, column, kPanelColumns)) {
    float* y = operands.y + tile_row * operands.n + column;
    const int64_t y_row_bytes = operands.n * static_cast<int64_t>(sizeof(float));
    _tile_stored(0, y, y_row_bytes);
    _tile_stored(1, y + kTileColumns, y_row_bytes);
    _tile_stored(2, y + 2 * kTileColumns, y_row_bytes);
    _tile_stored(3, y + 3 * kTileColumns, y_row_bytes);
    return;
  }
  Sums sums;
  sums.Take();
  for (int64_t tile = 0; tile < 4; ++tile) {
    StoreTile<Kernel>(operands, sums.tiles[tile], tile_row, first, last,
                      column + tile * kTileColumns);
  }
}

// 17 to 32 rows [first, last) by half a panel. The second tile of x ends with the last row, so the
// two may overlap: then it recomputes rows that the first one stores.
template <typename Kernel>
void WideTile(const MatmulOperands& operands, const PanelTail& tail, int64_t first, int64_t last,
              int64_t panel, int64_t half, Ahead& ahead) {
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
    _tile_stream_loadd(6, w, kPanelRowBytes);
    _tile_stream_loadd(7, w + kTileRowBytes, kPanelRowBytes);
    _tile_loadd(5, x1, operands.x_row_bytes);
    Kernel::MultiplyWide();
    ahead.Fetch();
    x0 += kTileRowBytes;
    x1 += kTileRowBytes;
    panel_w += kTileRows * kPanelRowBytes;
  }
  const int64_t column = panel * kPanelColumns + half * 2 * kTileColumns;
  if (StoresDirectly<Kernel>(operands, column, 2 * kTileColumns)) {
    float* y0 = operands.y + first * operands.n + column;
    float* y1 = operands.y + second * operands.n + column;
    const int64_t y_row_bytes = operands.n * static_cast<int64_t>(sizeof(float));
    _tile_stored(0, y0, y_row_bytes);
    _tile_stored(1, y0 + kTileColumns, y_row_bytes);
    _tile_stored(2, y1, y_row_bytes);
    _tile_stored(3, y1 + kTileColumns, y_row_bytes);
    return;
  }
  Sums sums;
  sums.Take();
  for (int64_t tile = 0; tile < 2; ++tile) {
    const int64_t at = column + tile * kTileColumns;
    StoreTile<Kernel>(operands, sums.tiles[tile], first, first, first + kTileRows, at);
    StoreTile<Kernel>(operands, sums.tiles[2 + tile], second, first + kTileRows, last, at);
  }
}

// The group of panels from `panel` on, to be fetched while all row tiles meet the one before. It
// may lie past the block: the next block of this thread mostly begins there.
Ahead AheadOf(const MatmulOperands& operands, const MatmulBlock& block, int64_t panel,
              int64_t group_panels) {
  const int64_t num_panels = (operands.n + kPanelColumns - 1) / kPanelColumns;
  const int64_t end = panel + group_panels < num_panels ? panel + group_panels : num_panels;
  if (panel >= end) return {};
  const int64_t num_rows = block.row_end - block.row_begin;
  const int64_t row_tiles = (num_rows + 2 * kTileRows - 1) / (2 * kTileRows);
  // A step of half a panel's 16 groups is 32 lines of weights.
  return {operands.w + panel * operands.panel_bytes, operands.w + end * operands.panel_bytes,
          31 / row_tiles + 1};
}

// How many panels meet all rows before the next ones do.
int64_t GroupPanels(const MatmulOperands& operands, int64_t num_rows) {
  // An empty product (k = 0) has panels of no bytes.
  if (num_rows <= kRowsByPanel || operands.panel_bytes == 0) return 1;
  return kPanelGroupBytes / operands.panel_bytes + 1;
}

// At least 16 rows: every tile of x is full, the last ones by overlapping the ones before. Of many
// rows, those of a tile stay in the first cache while a group of panels streams from the second.
template <typename Kernel>
void RunFullTiles(const MatmulOperands& operands, const MatmulBlock& block) {
  const TileScope scope(kTileRows, 2);
  PanelTail tail;
  const int64_t group_panels = GroupPanels(operands, block.row_end - block.row_begin);
  for (int64_t group = block.panel_begin; group < block.panel_end; group += group_panels) {
    const int64_t group_end =
        group + group_panels < block.panel_end ? group + group_panels : block.panel_end;
    Ahead ahead = AheadOf(operands, block, group_end, group_panels);
    for (int64_t row = block.row_begin; row < block.row_end; row += 2 * kTileRows) {
      const int64_t left = block.row_end - row;
      const int64_t last = row + (left < 2 * kTileRows ? left : 2 * kTileRows);
      for (int64_t panel = group; panel < group_end; ++panel) {
        tail.Copy(operands, panel);
        if (left <= kTileRows) {
          Ahead* const others = row == block.row_begin ? nullptr : &ahead;
          NarrowTile<Kernel>(operands, tail, last - kTileRows, row, last, panel, others);
        } else {
          WideTile<Kernel>(operands, tail, row, last, panel, 0, ahead);
          WideTile<Kernel>(operands, tail, row, last, panel, 1, ahead);
        }
      }
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
    NarrowTile<Kernel>(operands, tail, block.row_begin, block.row_begin, block.row_end, panel,
                       nullptr);
  }
}

}  // namespace

const MatmulKernels kAmxMatmul{
    .bf16 = {InputForm::kPlain, 32, 32, 32.0, RunAmx<AmxBf16>},
    .i8 = {InputForm::kPlain, 64, 32, 64.0, RunAmx<AmxI8>},
};

}  // namespace tandem::cpu
