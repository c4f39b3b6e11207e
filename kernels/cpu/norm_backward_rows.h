#pragma once
// The backward of RMSNorm and sums over rows, in blocks of rows; see kernels/norm.h and
// kernels/gradient.h.

#include <cstdint>

namespace tandem::cpu {

struct RmsNormBackwardRows {
  const float* x = nullptr;       // [rows, width]
  const float* weight = nullptr;  // [width]
  const float* dy = nullptr;      // [rows, width]
  int64_t rows = 0;
  int64_t block_rows = 0;
  int64_t width = 0;
  float eps = 0.0f;
  bool add = false;           // to dx
  float* dx = nullptr;        // [rows, width]
  float* partials = nullptr;  // [blocks, width]: each block's share of dweight
};

// Blocks [begin, end) of block_rows rows.
using RmsNormBackwardFunction = void(const RmsNormBackwardRows& rows, int64_t begin, int64_t end);

struct SumRowsBlocks {
  const float* x = nullptr;  // [rows, width]
  int64_t rows = 0;
  int64_t block_rows = 0;
  int64_t width = 0;
  float* partials = nullptr;  // [blocks, width]
};

// The sum of the rows of each block in [begin, end), ascending.
using SumRowsFunction = void(const SumRowsBlocks& blocks, int64_t begin, int64_t end);

namespace portable {
RmsNormBackwardFunction RmsNormBackward;
SumRowsFunction SumRows;
}  // namespace portable
namespace avx2 {
RmsNormBackwardFunction RmsNormBackward;
SumRowsFunction SumRows;
}  // namespace avx2
namespace avx512 {
RmsNormBackwardFunction RmsNormBackward;
SumRowsFunction SumRows;
}  // namespace avx512

}  // namespace tandem::cpu
