#pragma once
// Rows of weights into and out of the panels of a packed matrix.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/matmul.h"

namespace tandem::cpu {

// The writable parts of a packed matrix.
struct PackTarget {
  const PackedMatrix& matrix;
  std::byte* data;
  float* scales;  // [padded_n], i8 only
  int32_t* sums;  // [padded_n], i8 only
};

void PackRows(Context& context, ConstTensorView w, int64_t first_row, const PackTarget& target);

// One row of the matrix, widened to f32 (i8: times its scale). out: [k].
void UnpackRow(const PackedMatrix& matrix, int64_t row, float* out);

}  // namespace tandem::cpu
