// One short launch between two steps: a thread a token.

#include "kernels/gather_ids.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"

namespace tandem::cuda {
namespace {

struct GatherIdsBody {
  const int32_t* drawn;
  const int32_t* sources;
  int32_t* ids;

  __device__ void operator()(int64_t t) const {
    const int32_t source = sources[t];
    if (source < 0) return;
    const int32_t id = drawn[source];
    ids[t] = id < 0 ? 0 : id;
  }
};

}  // namespace

void GatherIds(Context& context, const GatherIdsArgs& args) {
  ForEach("gather_ids", context.stream, args.ids.num_elements(),
          GatherIdsBody{.drawn = args.drawn.data<int32_t>(),
                        .sources = args.sources.data<int32_t>(),
                        .ids = args.ids.data<int32_t>()});
}

}  // namespace tandem::cuda
