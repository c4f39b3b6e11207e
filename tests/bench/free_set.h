#pragma once
// The free versions for one instruction set, chosen as the product chooses its own; and the drivers
// that put them on a Context's threads (free_rows.cc, free_vocabulary.cc, free_products.cc).

#include "kernels/core/context.h"
#include "tests/bench/free/free_order.h"
#include "tests/bench/free_runs.h"
#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/moe_ops.h"
#include "tests/support/ops/rowwise_ops.h"
#include "tests/support/ops/sampling_ops.h"

namespace tandem {

struct FreeSet {
  const FreeRows& rows;
  const FreeMatmul& matmul;
  const FreeAttention& attention_f32;
  const FreeAttention& attention_bf16;
};

// Whether products and sums may fuse; with kFused the rounding of a product goes too.
enum class Products { kApart, kFused };

FreeSet FreeSetOf(InstructionSet isa, Products products);

// With the product through the same driver.
FreeVersion NormVersion(NormOp& op, Products products);
FreeVersion SiluMulVersion(SiluMulOp& op);
FreeVersion CombineVersion(MoeCombineOp& op, Products products);

void RunLogSoftmax(Context& context, LogSoftmaxOp& op, Products products);
void RunSample(Context& context, SampleOp& op, Products products);

enum class MatmulSplit { kPanels, kInputs };  // what threads share out
void RunMatmul(Context& context, MatmulOp& op, MatmulSplit split);
void RunAttention(Context& context, AttentionOp& op, Products products);

}  // namespace tandem
