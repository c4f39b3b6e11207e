#include "kernels/cpu/transpose_rows.h"

#include "kernels/cpu/vec.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

constexpr int64_t kPanelColumns = 64;

TANDEM_INLINE int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

#if TANDEM_REGISTER_BYTES == 64
// One step of a 16 x 16 transposition: rows i and i + size exchange blocks of `size` elements.
template <int size>
TANDEM_INLINE void Exchange(F32x16 (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & size) != 0) continue;
    const auto a = rows[i].part[0], b = rows[i + size].part[0];
    if constexpr (size == 8) {
      rows[i].part[0] =
          __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
      rows[i + size].part[0] = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25,
                                                       26, 27, 28, 29, 30, 31);
    } else if constexpr (size == 4) {
      rows[i].part[0] =
          __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
      rows[i + size].part[0] =
          __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    } else if constexpr (size == 2) {
      rows[i].part[0] =
          __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
      rows[i + size].part[0] =
          __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    } else {
      rows[i].part[0] =
          __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
      rows[i + size].part[0] =
          __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    }
  }
}

TANDEM_INLINE void TransposeTile(F32x16 (&rows)[kLanes]) {
  Exchange<8>(rows);
  Exchange<4>(rows);
  Exchange<2>(rows);
  Exchange<1>(rows);
}
#else
TANDEM_INLINE void TransposeTile(F32x16 (&rows)[kLanes]) {
  float from[kLanes][kLanes], to[kLanes][kLanes];
  for (int i = 0; i < kLanes; ++i) Store(from[i], rows[i]);
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) to[i][j] = from[j][i];
  }
  for (int i = 0; i < kLanes; ++i) rows[i] = Load(to[i]);
}
#endif

// Sixteen whole rows of sixteen columns, in registers. What comes a block of rows later is asked
// for meanwhile: rows lie too far apart for the machine to foresee it.
template <typename From, typename To>
TANDEM_INLINE void TransposeWhole(const From* x, int64_t x_stride, To* y, int64_t y_stride) {
  F32x16 tile[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    __builtin_prefetch(x + (i + kTransposeBlock) * x_stride);
    tile[i] = Load(x + i * x_stride);
  }
  TransposeTile(tile);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) Store(y + i * y_stride, tile[i]);
}

// The same where x or y ends: fewer columns, rows past the last as zeros.
template <typename From, typename To>
void TransposeEdge(const TransposeWork& work, int64_t row, int64_t column) {
  const From* x = reinterpret_cast<const From*>(work.x) + row * work.columns + column;
  To* y = reinterpret_cast<To*>(work.y) + column * work.y_columns + row;
  const int64_t num_columns = Smaller(work.columns - column, kLanes);
  F32x16 tile[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    tile[i] = row + i < work.rows ? LoadSome(x + i * work.columns, num_columns) : F32x16(0.0f);
  }
  TransposeTile(tile);
  const int64_t count = Smaller(work.y_columns - row, kLanes);
  for (int64_t i = 0; i < num_columns; ++i) StorePartial(y + i * work.y_columns, tile[i], count);
}

template <typename From, typename To>
TANDEM_INLINE void TransposeSquare(const TransposeWork& work, int64_t row, int64_t column) {
  if (row + kLanes <= work.rows && column + kLanes <= work.columns) {
    TransposeWhole(reinterpret_cast<const From*>(work.x) + row * work.columns + column,
                   work.columns, reinterpret_cast<To*>(work.y) + column * work.y_columns + row,
                   work.y_columns);
  } else {
    TransposeEdge<From, To>(work, row, column);
  }
}

// A block of 64 x 64 is read and written in whole cache lines.
template <typename From, typename To>
void TransposeStrips(const TransposeWork& work, int64_t begin, int64_t end) {
  for (int64_t strip = begin; strip < end; ++strip) {
    const int64_t first = strip * kTransposeBlock;
    const int64_t last = Smaller(first + kTransposeBlock, work.columns);
    for (int64_t block = 0; block < work.y_columns; block += kTransposeBlock) {
      const int64_t block_end = Smaller(block + kTransposeBlock, work.y_columns);
      for (int64_t column = first; column < last; column += kLanes) {
        for (int64_t row = block; row < block_end; row += kLanes) {
          TransposeSquare<From, To>(work, row, column);
        }
      }
    }
  }
}

template <typename From>
void TransposeFrom(const TransposeWork& work, int64_t begin, int64_t end) {
  if (work.to == DType::kF32) {
    TransposeStrips<From, float>(work, begin, end);
  } else {
    TransposeStrips<From, BFloat16>(work, begin, end);
  }
}

// Rows 2 r and 2 r + 1 of 16 columns as pairs.
template <typename From>
TANDEM_INLINE U32x16 Pairs(const From* first, const From* second, int64_t count) {
  const U32x16 low = BitCast<uint32_t>(RoundToBf16(LoadSome(first, count)));
  U32x16 high(0u);
  if (second != nullptr) high = BitCast<uint32_t>(RoundToBf16(LoadSome(second, count)));
  return (low >> 16) | high;
}

template <typename From>
void PackBf16Panel(const PackColumnsWork& work, int64_t panel) {
  const auto* x = reinterpret_cast<const From*>(work.x) + panel * kPanelColumns;
  auto* to = reinterpret_cast<uint32_t*>(work.panels + panel * work.panel_bytes);
  const int64_t columns = Smaller(work.columns - panel * kPanelColumns, kPanelColumns);
  for (int64_t row = 0; row < work.rows; row += 2, to += kPanelColumns) {
    const From* first = x + row * work.columns;
    const From* second = row + 1 < work.rows ? first + work.columns : nullptr;
    for (int64_t i = 0; i < kPanelColumns; i += kLanes) {
      const int64_t count = Smaller(columns - i, kLanes);
      if (count <= 0) {
        Store(to + i, U32x16(0u));
      } else {
        Store(to + i, Pairs(first + i, second == nullptr ? nullptr : second + i, count));
      }
    }
  }
}

template <typename From, typename To>
void PackPlainPanel(const PackColumnsWork& work, int64_t panel) {
  const auto* x = reinterpret_cast<const From*>(work.x) + panel * kPanelColumns;
  auto* to = reinterpret_cast<To*>(work.panels + panel * work.panel_bytes);
  const int64_t columns = Smaller(work.columns - panel * kPanelColumns, kPanelColumns);
  for (int64_t row = 0; row < work.rows; ++row, to += kPanelColumns) {
    for (int64_t i = 0; i < kPanelColumns; i += kLanes) {
      const int64_t count = Smaller(columns - i, kLanes);
      Store(to + i, count <= 0 ? F32x16(0.0f) : LoadSome(x + row * work.columns + i, count));
    }
  }
}

template <typename From>
void PackPanel(const PackColumnsWork& work, int64_t panel) {
  switch (work.to) {
    case DType::kBf16:
      return PackBf16Panel<From>(work, panel);
    case DType::kF16:
      return PackPlainPanel<From, Float16>(work, panel);
    default:
      return PackPlainPanel<From, float>(work, panel);
  }
}

}  // namespace

void Transpose(const TransposeWork& work, int64_t begin, int64_t end) {
  if (work.from == DType::kF32) {
    TransposeFrom<float>(work, begin, end);
  } else {
    TransposeFrom<BFloat16>(work, begin, end);
  }
}

void PackColumns(const PackColumnsWork& work, int64_t begin, int64_t end) {
  for (int64_t panel = begin; panel < end; ++panel) {
    if (work.from == DType::kF32) {
      PackPanel<float>(work, panel);
    } else {
      PackPanel<BFloat16>(work, panel);
    }
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
