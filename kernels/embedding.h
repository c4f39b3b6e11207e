#pragma once
// Embedding lookup straight from the packed matrix that the output head multiplies with, so tied
// weights exist once.

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/matmul.h"

namespace tandem {

struct EmbeddingArgs {
  ConstTensorView ids;        // [tokens], i32, each in [0, table.n())
  const PackedMatrix& table;  // [vocab, hidden]
  TensorView y;               // [tokens, hidden], f32
};

// y[t] = table[ids[t]], widened to f32 (i8: times its row's scale).
void Embedding(Context& context, const EmbeddingArgs& args);

struct EmbeddingBackwardArgs {
  ConstTensorView ids;  // [tokens], i32, each in [0, dtable.dim(0))
  ConstTensorView dy;   // [tokens, hidden], f32
  TensorView dtable;    // [vocab, hidden], f32; += : dtable[ids[t]] += dy[t], tokens ascending
};

void EmbeddingBackward(Context& context, const EmbeddingBackwardArgs& args);

}  // namespace tandem
