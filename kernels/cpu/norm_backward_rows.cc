#include "kernels/cpu/norm_backward_rows.h"

#include "kernels/cpu/vec.h"

// Bound by reading x and dy: two passes over a row, the second out of the cache.

namespace tandem::cpu::TANDEM_ISA {
namespace {

// Calls body(i, count) for vectors of `width` elements; count < 16 at the last one only.
template <typename Body>
TANDEM_INLINE void ForVectors(int64_t width, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) body(i, int64_t{kLanes});
  if (i < width) body(i, width - i);
}

// dx of one row, and dweight += dy * n.
void DifferentiateRow(const RmsNormBackwardRows& rows, int64_t row, float* dweight) {
  const int64_t width = rows.width;
  const float* x = rows.x + row * width;
  const float* dy = rows.dy + row * width;
  const float* weight = rows.weight;
  float* dx = rows.dx + row * width;
  F32x16 squares{}, products{};
  ForVectors(
      width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const F32x16 v = LoadSome(x + i, count);
        squares += v * v;
        products += LoadSome(dy + i, count) * LoadSome(weight + i, count) * v;
      });
  const auto elements = static_cast<float>(width);
  const float scale = 1.0f / __builtin_sqrtf(SumLanes(squares) / elements + rows.eps);
  // mean(g * n) * n = x * scale * scale * mean(g * x)
  const float share = SumLanes(products) / elements * scale * scale;
  const bool add = rows.add;
  ForVectors(
      width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const F32x16 v = LoadSome(x + i, count), d = LoadSome(dy + i, count);
        const F32x16 gradient = (d * LoadSome(weight + i, count) - v * share) * scale;
        StoreSome(dweight + i, LoadSome(dweight + i, count) + d * (v * scale), count);
        StoreSome(dx + i, add ? LoadSome(dx + i, count) + gradient : gradient, count);
      });
}

}  // namespace

void RmsNormBackward(const RmsNormBackwardRows& rows, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    float* dweight = rows.partials + block * rows.width;
    for (int64_t i = 0; i < rows.width; ++i) dweight[i] = 0.0f;
    const int64_t first = block * rows.block_rows;
    const int64_t last = first + rows.block_rows < rows.rows ? first + rows.block_rows : rows.rows;
    for (int64_t row = first; row < last; ++row) DifferentiateRow(rows, row, dweight);
  }
}

void SumRows(const SumRowsBlocks& blocks, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    float* sum = blocks.partials + block * blocks.width;
    const int64_t first = block * blocks.block_rows;
    const int64_t last =
        first + blocks.block_rows < blocks.rows ? first + blocks.block_rows : blocks.rows;
    ForVectors(
        blocks.width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
          F32x16 v{};
          for (int64_t row = first; row < last; ++row) {
            v += LoadSome(blocks.x + row * blocks.width + i, count);
          }
          StoreSome(sum + i, v, count);
        });
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
