// A thread a column, which sums the rows in blocks of kGradientRows, as gradient.h says.

#include "kernels/gradient.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"

namespace tandem::cuda {
namespace {

struct SumRowsBody {
  const float* x;
  float* y;
  int64_t rows;
  int64_t width;

  __device__ void operator()(int64_t column) const {
    float sum = 0.0f;
    for (int64_t first = 0; first < rows; first += kGradientRows) {
      const int64_t last = first + kGradientRows < rows ? first + kGradientRows : rows;
      float block = 0.0f;
      for (int64_t row = first; row < last; ++row) block += x[row * width + column];
      sum += block;
    }
    y[column] = sum;
  }
};

}  // namespace

void SumRows(Context& context, const SumRowsArgs& args) {
  const SumRowsBody body{args.x.data<float>(), args.y.data<float>(), args.x.dim(0), args.x.dim(1)};
  ForEach("sum_rows", context.stream, body.width, body);
}

}  // namespace tandem::cuda
