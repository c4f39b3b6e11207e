#pragma once
// What the backward halves of ops have in common.
//
// A sum over rows (tokens) goes over blocks of kGradientRows rows: rows ascend in a block, which
// starts from zero, then the blocks ascend. So it has the same bits on any number of threads.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

inline constexpr int64_t kGradientRows = 64;

constexpr int64_t NumGradientBlocks(int64_t rows) {
  return (rows + kGradientRows - 1) / kGradientRows;
}

enum class GradientOutput : uint8_t {
  kStore,  // =
  kAdd,    // +=
};

struct SumRowsArgs {
  ConstTensorView x;  // [rows, width], f32
  TensorView y;       // [width], f32; y = the sum of the rows: a bias's gradient
};

void SumRows(Context& context, const SumRowsArgs& args);

}  // namespace tandem
