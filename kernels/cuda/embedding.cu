// Bound by memory: a thread an element of the result.

#include "kernels/embedding.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/numbers.cuh"

namespace tandem::cuda {
namespace {

template <typename T>
struct EmbeddingBody {
  const int32_t* ids;
  const T* table;       // rows
  const float* scales;  // [vocabulary], i8 only
  float* y;
  int64_t hidden;
  int64_t row_elements;  // from one row to the next

  __device__ void operator()(int64_t i) const {
    const int64_t id = ids[i / hidden];
    const int64_t at = id * row_elements + i % hidden;
    if constexpr (sizeof(T) == 1) {
      y[i] = static_cast<float>(table[at]) * scales[id];
    } else {
      y[i] = ToFloat(table[at]);
    }
  }
};

template <typename T>
void Run(Context& context, const EmbeddingArgs& args) {
  const EmbeddingBody<T> body{.ids = args.ids.data<int32_t>(),
                              .table = reinterpret_cast<const T*>(args.table.data()),
                              .scales = args.table.scales(),
                              .y = args.y.data<float>(),
                              .hidden = args.table.k(),
                              .row_elements = args.table.row_bytes() / SizeOf(args.table.dtype())};
  ForEach("embedding", context.stream, args.y.num_elements(), body);
}

// A thread a column, tokens ascending.
struct EmbeddingBackwardBody {
  const int32_t* ids;
  const float* dy;
  float* dtable;
  int64_t tokens;
  int64_t hidden;

  __device__ void operator()(int64_t column) const {
    for (int64_t t = 0; t < tokens; ++t)
      dtable[ids[t] * hidden + column] += dy[t * hidden + column];
  }
};

}  // namespace

void Embedding(Context& context, const EmbeddingArgs& args) {
  switch (args.table.dtype()) {
    case DType::kBf16:
      return Run<__nv_bfloat16>(context, args);
    case DType::kF16:
      return Run<__half>(context, args);
    case DType::kI8:
      return Run<int8_t>(context, args);
    default:
      return Run<float>(context, args);
  }
}

void EmbeddingBackward(Context& context, const EmbeddingBackwardArgs& args) {
  const EmbeddingBackwardBody body{.ids = args.ids.data<int32_t>(),
                                   .dy = args.dy.data<float>(),
                                   .dtable = args.dtable.data<float>(),
                                   .tokens = args.dy.dim(0),
                                   .hidden = args.dy.dim(1)};
  ForEach("embedding_backward", context.stream, body.hidden, body);
}

}  // namespace tandem::cuda
