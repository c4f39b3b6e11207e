#pragma once
// Tokens that one step drew and the next one reads, without a detour over the host.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct GatherIdsArgs {
  ConstTensorView drawn;    // [rows], i32: token ids, or -1 where none could be drawn
  ConstTensorView sources;  // [tokens], i32, each < rows: a row of `drawn`; negative: none
  TensorView ids;           // [tokens], i32
};

// ids[t] = max(drawn[sources[t]], 0) where there is a source; the others stay.
void GatherIds(Context& context, const GatherIdsArgs& args);

}  // namespace tandem
