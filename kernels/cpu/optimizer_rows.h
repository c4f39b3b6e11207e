#pragma once
// The optimiser's element-wise work; see kernels/optimizer.h.

#include <cstdint>

namespace tandem::cpu {

struct AdamWElements {
  float* weights = nullptr;
  const float* gradient = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  float scale = 1.0f;
  float keep = 1.0f;  // 1 - rate * decay
  float one_minus_beta1 = 0.0f;
  float beta2 = 0.0f;
  float one_minus_beta2 = 0.0f;
  float inverse_root = 1.0f;  // 1 / sqrt(1 - beta2^step)
  float eps = 0.0f;
  float step_size = 0.0f;  // rate / (1 - beta1^step)
};

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
