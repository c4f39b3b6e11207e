#pragma once
// Cuts the columns of a matrix into dense pieces, one fused projection into q, k and v, and joins
// them again.

#include <span>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct SplitColumnsArgs {
  ConstTensorView x;                  // [rows, sum of widths], f32
  std::span<const TensorView> parts;  // each [rows, width_i] (further dimensions flattened), f32
};

void SplitColumns(Context& context, const SplitColumnsArgs& args);

// The backward of SplitColumns.
struct MergeColumnsArgs {
  std::span<const ConstTensorView> parts;  // each [rows, width_i], as above
  TensorView x;                            // [rows, sum of widths], f32; =
};

void MergeColumns(Context& context, const MergeColumnsArgs& args);

}  // namespace tandem
