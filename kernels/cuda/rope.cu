// Bound by memory: a thread a pair of elements, which it turns in place. A model's forward pass does
// it in AttentionInputs.

#include "kernels/rope.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"

namespace tandem::cuda {
namespace {

struct RopeBody {
  const int32_t* positions;
  const float* table;  // [positions, head_dim]: cosines, then sines
  float* x;
  int64_t heads;
  int64_t head_dim;
  bool backward;

  // (a, b) turns into (a cos - b sin, b cos + a sin), or back.
  __device__ void operator()(int64_t i) const {
    const int64_t half = head_dim / 2;
    const int64_t pair = i % half;
    const int64_t head = i / half;  // of all tokens
    const float* angles = table + positions[head / heads] * head_dim;
    const float cosine = angles[pair];
    const float sine = angles[pair + half];
    float* const at = x + head * head_dim + pair;
    const float a = at[0];
    const float b = at[half];
    at[0] = backward ? a * cosine + b * sine : a * cosine - b * sine;
    at[half] = backward ? b * cosine - a * sine : b * cosine + a * sine;
  }
};

}  // namespace

void Rope(Context& context, const RopeArgs& args) {
  const RopeBody body{.positions = args.positions.data<int32_t>(),
                      .table = args.table.rows().data<float>(),
                      .x = args.x.data<float>(),
                      .heads = args.x.dim(1),
                      .head_dim = args.x.dim(2),
                      .backward = args.direction == RopeDirection::kBackward};
  ForEach("rope", context.stream, args.x.num_elements() / 2, body);
}

}  // namespace tandem::cuda
