#pragma once
// The register tile that every vector kernel shares: kRows rows of x by kVectors vectors of
// columns, one accumulator an element, k ascending. Weights are loaded once a step and meet kRows
// broadcasts of x; at six rows by a whole panel of AVX-512 the loop issues 24 products for 10
// loads.
//
// A Kernel says what a step is:
//   Floats, Accumulator, Weights, Input   register types
//   kLanes         columns in one vector
//   kMaxRows       rows of the largest tile
//   Vectors(rows)  vectors of columns in a tile of that many rows; divides 64 / kLanes
//   kPhases        steps in one group of k, in order (bf16 by widening: odd element, then even)
//   kColumnBytes   bytes of one column in one group of k
//   Zero() LoadWeights<phase>(p) Broadcast(p) MultiplyAdd(accumulator, weights, input)
//   Finish(accumulator, operands, row, column)  the sum as f32, scaled
//   Add(a, b) LoadFloats(p) StoreFloats(p, v) and, for the last columns, LoadSome and StoreSome(..,
//   count)
// Each Kernel type must be local to its file: the tile is compiled for that file's instruction set.

#include "kernels/cpu/matmul_kernel.h"

namespace tandem::cpu {

constexpr int64_t kCacheLineBytes = 64;

template <typename Kernel>
[[gnu::always_inline]] inline void StoreVector(const MatmulOperands& operands, int64_t row,
                                               int64_t column,
                                               typename Kernel::Accumulator accumulator) {
  const int64_t count = operands.n - column;
  if (count <= 0) return;
  float* y = operands.y + row * operands.n + column;
  typename Kernel::Floats sum = Kernel::Finish(accumulator, operands, row, column);
  if (count >= Kernel::kLanes) {
    if (operands.bias != nullptr)
      sum = Kernel::Add(sum, Kernel::LoadFloats(operands.bias + column));
    if (operands.add_to_y) sum = Kernel::Add(Kernel::LoadFloats(y), sum);
    Kernel::StoreFloats(y, sum);
    return;
  }
  if (operands.bias != nullptr) {
    sum = Kernel::Add(sum, Kernel::LoadSome(operands.bias + column, count));
  }
  if (operands.add_to_y) sum = Kernel::Add(Kernel::LoadSome(y, count), sum);
  Kernel::StoreSome(y, sum, count);
}

template <typename Kernel, int kPhase, int kRows, int kVectors>
[[gnu::always_inline]] inline void TilePhase(
    const std::byte* w, const std::byte* x, int64_t x_row_bytes,
    typename Kernel::Accumulator (&accumulators)[kRows][kVectors]) {
  constexpr int64_t kVectorBytes = Kernel::kLanes * Kernel::kColumnBytes;
  typename Kernel::Weights weights[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    weights[v] = Kernel::template LoadWeights<kPhase>(w + v * kVectorBytes);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const typename Kernel::Input input = Kernel::Broadcast(x + r * x_row_bytes + kPhase * 4);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      accumulators[r][v] = Kernel::MultiplyAdd(accumulators[r][v], weights[v], input);
    }
  }
}

// Weights that a later panel will need and that nobody has asked for yet. While several row tiles
// pass over one panel the memory would idle; each step of a tile then fetches one line of the next
// panel.
struct PanelAhead {
  const std::byte* next;
  const std::byte* end;
};

// Columns first_column .. of one panel, for rows row .. row + kRows. With kFetch, also fetches a
// cache line from `ahead` on at each step.
template <typename Kernel, int kRows, int kVectors, bool kFetch>
void Tile(const MatmulOperands& operands, int64_t row, int64_t panel, int64_t first_column,
          const std::byte* ahead) {
  constexpr int64_t kGroupBytes = kPanelColumns * Kernel::kColumnBytes;
  typename Kernel::Accumulator accumulators[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) accumulators[r][v] = Kernel::Zero();
  }
  const std::byte* w =
      operands.w + panel * operands.panel_bytes + first_column * Kernel::kColumnBytes;
  const int64_t x_row_bytes = operands.x_row_bytes;
  const std::byte* x = operands.x + row * x_row_bytes;
  for (int64_t group = 0; group < operands.num_groups; ++group) {
    TilePhase<Kernel, 0>(w, x, x_row_bytes, accumulators);
    if constexpr (Kernel::kPhases == 2) TilePhase<Kernel, 1>(w, x, x_row_bytes, accumulators);
    if constexpr (kFetch) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += kCacheLineBytes;
    }
    w += kGroupBytes;
    x += 4 * Kernel::kPhases;
  }
  const int64_t column = panel * kPanelColumns + first_column;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      StoreVector<Kernel>(operands, row + r, column + v * Kernel::kLanes, accumulators[r][v]);
    }
  }
}

// A whole panel for kRows rows, or for `num_rows` < kRows by going down the list.
template <typename Kernel, int kRows>
void PanelTile(const MatmulOperands& operands, int64_t row, int64_t num_rows, int64_t panel,
               PanelAhead& ahead) {
  if constexpr (kRows > 1) {
    if (num_rows < kRows) {
      PanelTile<Kernel, kRows - 1>(operands, row, num_rows, panel, ahead);
      return;
    }
  }
  constexpr int kVectors = Kernel::Vectors(kRows);
  constexpr int kColumns = kVectors * Kernel::kLanes;
  for (int part = 0; part < kPanelColumns / kColumns; ++part) {
    const int64_t column = part * kColumns;
    if (ahead.next < ahead.end) {
      Tile<Kernel, kRows, kVectors, true>(operands, row, panel, column, ahead.next);
      ahead.next += operands.num_groups * kCacheLineBytes;
    } else {
      Tile<Kernel, kRows, kVectors, false>(operands, row, panel, column, nullptr);
    }
  }
}

// Panel by panel, so that a panel stays in the nearest cache while all rows pass. Rows are dealt
// into tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2.
template <typename Kernel>
void RunTiles(const MatmulOperands& operands, const MatmulBlock& block) {
  const bool one_tile = block.row_end - block.row_begin <= Kernel::kMaxRows;
  for (int64_t panel = block.panel_begin; panel < block.panel_end; ++panel) {
    PanelAhead ahead{};
    if (!one_tile && panel + 1 < block.panel_end) {
      ahead.next = operands.w + (panel + 1) * operands.panel_bytes;
      ahead.end = ahead.next + operands.panel_bytes;
    }
    int64_t row = block.row_begin;
    while (row < block.row_end) {
      const int64_t rows_left = block.row_end - row;
      const int64_t tiles_left = (rows_left + Kernel::kMaxRows - 1) / Kernel::kMaxRows;
      const int64_t num_rows = (rows_left + tiles_left - 1) / tiles_left;
      PanelTile<Kernel, Kernel::kMaxRows>(operands, row, num_rows, panel, ahead);
      row += num_rows;
    }
  }
}

}  // namespace tandem::cpu
