#pragma once
// Mixture of experts: routing, permutation, and the weighted combine. Routing looks at its own
// token only; a token's experts combine in order of descending score, ties to the lower id, shared
// experts last (DESIGN 3.5), so the result does not depend on the batch.

#include <cstdint>
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "kernels/matmul.h"

namespace tandem {

enum class MoeScore : uint8_t { kSoftmax, kSigmoid };

struct MoeRouteArgs {
  ConstTensorView logits;  // [tokens, num_experts], f32
  MoeScore score = MoeScore::kSoftmax;
  bool renormalise = true;  // weights divided by (their sum + 1e-20)
  TensorView experts;       // [tokens, top_k], i32, descending score, ties to the lower id
  TensorView weights;       // [tokens, top_k], f32
};

void MoeRoute(Context& context, const MoeRouteArgs& args);

// From the gradients of a token's weights, and of its scores where a balance loss looks at them, to
// those of its logits. Which experts are chosen counts as fixed.
struct MoeRouteBackwardArgs {
  ConstTensorView logits;  // [tokens, num_experts], f32
  MoeScore score = MoeScore::kSoftmax;
  bool renormalise = true;
  ConstTensorView experts;    // [tokens, top_k], i32, as MoeRoute wrote them
  ConstTensorView dweights;   // [tokens, top_k], f32
  ConstTensorView dscores{};  // [tokens, num_experts], f32, or empty: to add to the scores' own
  TensorView dlogits;         // [tokens, num_experts], f32; =
};

void MoeRouteBackward(Context& context, const MoeRouteBackwardArgs& args);

struct MoePermuteArgs {
  ConstTensorView experts;  // [tokens, top_k], i32
  int64_t num_experts = 0;
  TensorView offsets;   // [num_experts + 1], i32: rows of expert e are [offsets[e], offsets[e+1])
  TensorView row_of;    // [tokens, top_k], i32: the row that (token, choice) got
  TensorView token_of;  // [tokens * top_k], i32: the token of each row; ascending inside an expert
};

void MoePermute(Context& context, const MoePermuteArgs& args);

struct GatherRowsArgs {
  ConstTensorView x;     // [tokens, width], f32, bf16 or i8
  ConstTensorView rows;  // [num_rows], i32 into x
  TensorView y;          // [num_rows, width], x's dtype
};

void GatherRows(Context& context, const GatherRowsArgs& args);

// y[rows[i]] = x[i]; rows of y that `rows` does not name are left alone, and none is named twice.
struct ScatterRowsArgs {
  ConstTensorView x;     // [num_rows, width], f32
  ConstTensorView rows;  // [num_rows], i32 into y
  TensorView y;          // [tokens, width], f32
};

void ScatterRows(Context& context, const ScatterRowsArgs& args);

// Rows are sorted by group, with `offsets`. Or there are few (TakesUnsorted), in any order, with
// `groups`, and each of x's is as many of them one after another: the choices of a token.
struct MatmulGroupedArgs {
  ConstTensorView x;                // [num_rows, k]; given groups, [tokens, k]
  ConstTensorView x_scales;         // [rows of x], f32; i8 only
  ConstTensorView offsets;          // [num_groups + 1], i32; or empty, given groups
  std::span<const PackedMatrix> w;  // [num_groups] of [n, k]
  TensorView y;                     // [num_rows, n], f32; or empty, given `activated`
  ConstTensorView rows{};           // [num_rows], i32, or empty: the rows of x and x_scales, which
                                    // are then [tokens, k] and [tokens], to multiply
  TensorView activated{};           // [num_rows, n / 2], f32 or bf16, or empty
  ConstTensorView groups{};         // [num_rows], i32, or empty, given offsets: of each row
};

// Matmul of each group of rows with its own weights; a row's arithmetic is Matmul's without
// PrepareMatmul. With `rows` it is GatherRows before, with `activated` SiluMul after: the same bits
// as of those ops, of which a device need not write what is between.
void MatmulGrouped(Context& context, const MatmulGroupedArgs& args);

// Whether the choices of so many tokens need no MoePermute on the context's device: blocks of a
// kernel can look through few rows for their own. On the CPU it costs nothing.
inline constexpr int64_t kMostUnsortedRows = 256;
bool TakesUnsorted(const Context& context, int64_t tokens, int64_t top_k);

// dw of each group (=): MatmulWeightGradient of the group's rows of dy and x, zero where it has
// none.
struct MatmulWeightGradientGroupedArgs {
  ConstTensorView dy;       // [num_rows, n], f32 or bf16, sorted by group
  ConstTensorView x;        // [num_rows, k], f32 or bf16: what MatmulGrouped read
  ConstTensorView offsets;  // [num_groups + 1], i32
  std::span<Tensor> dw;     // [num_groups] of [n, k], f32
};

void MatmulWeightGradientGrouped(Context& context, const MatmulWeightGradientGroupedArgs& args);

struct MoeCombineArgs {
  ConstTensorView y_rows;    // [tokens * top_k, width], f32: experts' outputs by row
  ConstTensorView row_of;    // [tokens, top_k], i32; or empty: rows lie as choices do
  ConstTensorView weights;   // [tokens, top_k], f32
  ConstTensorView shared{};  // [tokens, width], f32: sum of the shared experts, or empty
  TensorView y;              // [tokens, width], f32; y += ((w0 e0 + w1 e1) + ...) + shared
};

void MoeCombine(Context& context, const MoeCombineArgs& args);

struct MoeCombineBackwardArgs {
  ConstTensorView dy;       // [tokens, width], f32
  ConstTensorView y_rows;   // [tokens * top_k, width], f32, as MoeCombine read them
  ConstTensorView row_of;   // [tokens, top_k], i32
  ConstTensorView weights;  // [tokens, top_k], f32
  TensorView dy_rows;       // [tokens * top_k, width], f32 or bf16; = weight * dy
  TensorView dweights;      // [tokens, top_k], f32; = dy . y_row
};

void MoeCombineBackward(Context& context, const MoeCombineBackwardArgs& args);

}  // namespace tandem
