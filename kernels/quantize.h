#pragma once
// Quantisation of activations, one row at a time (so a row's result depends on itself alone).

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct QuantizeRowsArgs {
  ConstTensorView x;  // [rows, width], f32
  TensorView y;       // [rows, width], i8 in [-127, 127]
  TensorView scales;  // [rows], f32: max|x| / 127; 0 for an all-zero row
};

// y = round_half_even(x * (127 / max|x|)); x is about y * scale. A row that holds a non-finite
// value gets scale NaN, so that the fault is seen and not silently clipped.
void QuantizeRows(Context& context, const QuantizeRowsArgs& args);

struct ConvertArgs {
  ConstTensorView x;  // any shape; f32, bf16 or f16
  TensorView y;       // same shape; f32, bf16 or f16
};

// Element by element, round to nearest even.
void Convert(Context& context, const ConvertArgs& args);

}  // namespace tandem
