#pragma once
// The optimiser's element-wise work; see kernels/optimizer.h.

#include <cstdint>

#include "kernels/adamw_elements.h"

namespace tandem::cpu {

// Elements [begin, end).
using AdamWFunction = void(const AdamWElements& work, int64_t begin, int64_t end);

// sums[b] of blocks [begin, end) of `block` elements of x [count].
struct SquareBlocks {
  const float* x = nullptr;
  int64_t count = 0;
  int64_t block = 0;
  float* sums = nullptr;
};

using SumOfSquaresFunction = void(const SquareBlocks& work, int64_t begin, int64_t end);

namespace portable {
AdamWFunction AdamW;
SumOfSquaresFunction SumOfSquares;
}  // namespace portable
namespace avx2 {
AdamWFunction AdamW;
SumOfSquaresFunction SumOfSquares;
}  // namespace avx2
namespace avx512 {
AdamWFunction AdamW;
SumOfSquaresFunction SumOfSquares;
}  // namespace avx512

}  // namespace tandem::cpu
