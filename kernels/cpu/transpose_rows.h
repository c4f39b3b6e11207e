#pragma once
// A matrix turned over: as rows, or straight into the panels of a packed matrix. Bound by memory.

#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.h"

namespace tandem::cpu {

struct TransposeWork {
  const std::byte* x = nullptr;  // [rows, columns], f32 or bf16
  DType from = DType::kF32;
  int64_t rows = 0;
  int64_t columns = 0;
  std::byte* y = nullptr;  // [columns, y_columns], f32 or bf16; elements from `rows` on are zero
  DType to = DType::kF32;
  int64_t y_columns = 0;  // at least rows
};

constexpr int64_t kTransposeBlock = 64;

// Strips [begin, end) of kTransposeBlock columns of x.
using TransposeFunction = void(const TransposeWork& work, int64_t begin, int64_t end);

struct PackColumnsWork {
  const std::byte* x = nullptr;  // [rows, columns], f32 or bf16
  DType from = DType::kF32;
  int64_t rows = 0;
  int64_t columns = 0;
  std::byte* panels = nullptr;  // of 64 columns of x; rows ascend in groups of 2 (bf16) or 1
  DType to = DType::kF32;       // f32, bf16 or f16
  int64_t panel_bytes = 0;
};

// Panels [begin, end).
using PackColumnsFunction = void(const PackColumnsWork& work, int64_t begin, int64_t end);

namespace portable {
TransposeFunction Transpose;
PackColumnsFunction PackColumns;
}  // namespace portable
namespace avx2 {
TransposeFunction Transpose;
PackColumnsFunction PackColumns;
}  // namespace avx2
namespace avx512 {
TransposeFunction Transpose;
PackColumnsFunction PackColumns;
}  // namespace avx512

}  // namespace tandem::cpu
