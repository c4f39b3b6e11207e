// Bound by memory: a thread an element, a launch a part.

#include "kernels/split_columns.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"

namespace tandem::cuda {
namespace {

// Element i of a part is x[i / width][first + i % width].
struct Part {
  int64_t width;
  int64_t first;
  int64_t x_width;

  __device__ int64_t At(int64_t i) const { return i / width * x_width + first + i % width; }
};

struct SplitBody {
  const float* x;
  float* y;
  Part part;

  __device__ void operator()(int64_t i) const { y[i] = x[part.At(i)]; }
};

struct MergeBody {
  const float* y;
  float* x;
  Part part;

  __device__ void operator()(int64_t i) const { x[part.At(i)] = y[i]; }
};

}  // namespace

void SplitColumns(Context& context, const SplitColumnsArgs& args) {
  const int64_t rows = args.x.dim(0);
  if (rows == 0) return;
  int64_t first = 0;
  for (const TensorView& y : args.parts) {
    const Part part{y.num_elements() / rows, first, args.x.dim(1)};
    ForEach("split_columns", context.stream, y.num_elements(),
            SplitBody{args.x.data<float>(), y.data<float>(), part});
    first += part.width;
  }
}

void MergeColumns(Context& context, const MergeColumnsArgs& args) {
  const int64_t rows = args.x.dim(0);
  if (rows == 0) return;
  int64_t first = 0;
  for (const ConstTensorView& y : args.parts) {
    const Part part{y.num_elements() / rows, first, args.x.dim(1)};
    ForEach("merge_columns", context.stream, y.num_elements(),
            MergeBody{y.data<float>(), args.x.data<float>(), part});
    first += part.width;
  }
}

}  // namespace tandem::cuda
