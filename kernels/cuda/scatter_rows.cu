// Bound by memory: a thread an element, neighbours in a row.

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/moe.h"

namespace tandem::cuda {
namespace {

struct ScatterBody {
  const float* x;
  const int32_t* rows;
  float* y;
  int64_t width;

  __device__ void operator()(int64_t i) const { y[rows[i / width] * width + i % width] = x[i]; }
};

}  // namespace

void ScatterRows(Context& context, const ScatterRowsArgs& args) {
  ForEach("scatter_rows", context.stream, args.x.num_elements(),
          ScatterBody{.x = args.x.data<float>(),
                      .rows = args.rows.data<int32_t>(),
                      .y = args.y.data<float>(),
                      .width = args.x.dim(1)});
}

}  // namespace tandem::cuda
