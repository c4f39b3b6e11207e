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
constexpr int64_t kGrain = 16384;  // elements

// y = f(i) for all elements.
template <typename Function>
void ForElements(Context& context, int64_t count, Function function) {
  context.pool.ForRanges(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) function(i);
  });
}

}  // namespace

void Orthogonalise(Context& context, TensorView x) {
  const int64_t rows = x.dim(0), columns = x.dim(1), count = rows * columns;
  const int64_t least = std::min(rows, columns);
  const bool is_tall = rows > columns;
  WorkspaceScope scratch(context.workspace);
  const TensorView squares(scratch.Take<float>(least * least), Shape{least, least});
  const TensorView fourths(scratch.Take<float>(least * least), Shape{least, least});
  const TensorView product(scratch.Take<float>(count), Shape{rows, columns});
  float* values = x.data<float>();
  const auto inverse = static_cast<float>(1.0 / (std::sqrt(SumOfSquares(context, x)) + 1e-7));
  ForElements(context, count, [&](int64_t i) { values[i] *= inverse; });
  PackedMatrix packed_square = AllocateMatrix(DType::kF32, least, least);
  PackedMatrix packed = AllocateMatrix(DType::kF32, columns, rows);
  for (int step = 0; step < kSteps; ++step) {
    if (is_tall) {
      MatmulWeightGradient(context, {.dy = x, .x = x, .dw = squares});  // x^T x
    } else {
      const PackedMatrix same = PackMatrix(context, x, DType::kF32);
      Matmul(context, {.x = x, .x_scales = {}, .w = same, .y = squares});  // x x^T
    }
    PackRows(context, squares, 0, packed_square);  // its own transpose
    Matmul(context, {.x = squares, .x_scales = {}, .w = packed_square, .y = fourths});
    float* square = squares.data<float>();
    const float* fourth = fourths.data<float>();
    ForElements(context, least * least,
                [&](int64_t i) { square[i] = kB * square[i] + kC * fourth[i]; });
    if (is_tall) {
      PackRows(context, squares, 0, packed_square);
      Matmul(context, {.x = x, .x_scales = {}, .w = packed_square, .y = product});
    } else {
      PackColumns(context, x, packed);
      Matmul(context, {.x = squares, .x_scales = {}, .w = packed, .y = product});
    }
    const float* added = product.data<float>();
    ForElements(context, count, [&](int64_t i) { values[i] = kA * values[i] + added[i]; });
  }
}

void Muon(Context& context, const MuonArgs& args) {
  const Shape& shape = args.weights.shape();
  CHECK(shape.rank() == 2, shape);
  CHECK(args.gradient.shape() == shape && args.m.shape() == shape, args.gradient.shape(), shape);
  const int64_t count = shape.num_elements();
  WorkspaceScope scratch(context.workspace);
  const TensorView update(scratch.Take<float>(count), shape);
  const float* gradient = args.gradient.data<float>();
  float *weights = args.weights.data<float>(), *m = args.m.data<float>();
  float* u = update.data<float>();
  const auto momentum = static_cast<float>(args.momentum);
  const auto one_minus_momentum = static_cast<float>(1.0 - args.momentum);
  ForElements(context, count, [&](int64_t i) {
    const float g = gradient[i] * args.scale;
    m[i] += one_minus_momentum * (g - m[i]);
    u[i] = g + momentum * (m[i] - g);
  });
  Orthogonalise(context, update);
  const auto keep = static_cast<float>(1.0 - args.rate * args.decay);
  const auto longest = static_cast<double>(std::max(shape[0], shape[1]));
  const auto step_size = static_cast<float>(args.rate * 0.2 * std::sqrt(longest));
  ForElements(context, count,
              [&](int64_t i) { weights[i] = weights[i] * keep - step_size * u[i]; });
}

int64_t MuonScratchBytes(int64_t rows, int64_t columns) {
  const int64_t least = std::min(rows, columns);
  return 4 * (3 * rows * columns + 3 * least * least);  // with what is packed
}

}  // namespace tandem
