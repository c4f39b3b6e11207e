#include "trainer/muon.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/check.h"
#include "kernels/matmul.h"
#include "kernels/optimizer.h"

namespace tandem {
namespace {

constexpr int kSteps = 5;
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;

}  // namespace

void Orthogonalise(Context& context, TensorView x) {
  const int64_t rows = x.dim(0), columns = x.dim(1);
  const int64_t least = std::min(rows, columns);
  const bool is_tall = rows > columns;
  WorkspaceScope scratch(context.workspace);
  const TensorView squares = scratch.TakeTensor(DType::kF32, {least, least});
  const TensorView fourths = scratch.TakeTensor(DType::kF32, {least, least});
  const TensorView product = scratch.TakeTensor(DType::kF32, {rows, columns});
  const auto inverse = static_cast<float>(1.0 / (std::sqrt(SumOfSquares(context, x)) + 1e-7));
  Scale(context, {.x = x, .factor = static_cast<double>(inverse)});
  PackedMatrix packed_square = AllocateMatrix(DType::kF32, least, least, context.device);
  PackedMatrix packed = AllocateMatrix(DType::kF32, columns, rows, context.device);
  for (int step = 0; step < kSteps; ++step) {
    if (is_tall) {
      MatmulWeightGradient(context, {.dy = x, .x = x, .dw = squares});  // x^T x
    } else {
      const PackedMatrix same = PackMatrix(context, x, DType::kF32);
      Matmul(context, {.x = x, .x_scales = {}, .w = same, .y = squares});  // x x^T
    }
    PackRows(context, squares, 0, packed_square);  // its own transpose
    Matmul(context, {.x = squares, .x_scales = {}, .w = packed_square, .y = fourths});
    Combine(context, {.x = fourths, .x_factor = kC, .y = squares, .y_factor = kB});
    if (is_tall) {
      PackRows(context, squares, 0, packed_square);
      Matmul(context, {.x = x, .x_scales = {}, .w = packed_square, .y = product});
    } else {
      PackColumns(context, x, packed);
      Matmul(context, {.x = squares, .x_scales = {}, .w = packed, .y = product});
    }
    Combine(context, {.x = product, .y = x, .y_factor = kA});
  }
}

void Muon(Context& context, const MuonArgs& args) {
  const Shape& shape = args.weights.shape();
  CHECK(shape.rank() == 2, shape);
  CHECK(args.gradient.shape() == shape && args.m.shape() == shape, args.gradient.shape(), shape);
  WorkspaceScope scratch(context.workspace);
  const TensorView update = scratch.TakeTensor(DType::kF32, shape);
  Nesterov(context, {.gradient = args.gradient,
                     .scale = args.scale,
                     .momentum = args.momentum,
                     .m = args.m,
                     .update = update});
  Orthogonalise(context, update);
  const auto keep = static_cast<float>(1.0 - args.rate * args.decay);
  const auto longest = static_cast<double>(std::max(shape[0], shape[1]));
  const auto step_size = static_cast<float>(args.rate * 0.2 * std::sqrt(longest));
  Combine(context, {.x = update, .x_factor = -step_size, .y = args.weights, .y_factor = keep});
}

int64_t MuonScratchBytes(int64_t rows, int64_t columns) {
  const int64_t least = std::min(rows, columns);
  return 4 * (3 * rows * columns + 3 * least * least);  // with what is packed
}

}  // namespace tandem
