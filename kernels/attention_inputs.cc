#include "kernels/attention_inputs.h"

#include <array>

#include "kernels/core/shape_check.h"
#include "kernels/device_ops.h"
#include "kernels/norm.h"
#include "kernels/split_columns.h"

namespace tandem {
namespace {

void NormHeads(Context& context, TensorView x, ConstTensorView weight, float eps) {
  if (weight.empty()) return;
  const TensorView rows = x.Reshaped({x.dim(0) * x.dim(1), x.dim(2)});
  RmsNorm(context, {.x = rows, .weight = weight, .eps = eps, .y = rows});
}

// On the CPU an op more is a few microseconds at most: the parts in turn.
void RunInParts(Context& context, const AttentionInputsArgs& args) {
  const KvLayout& layout = args.pool.layout();
  const Shape kv_shape{args.qkv.dim(0), layout.num_kv_heads, layout.head_dim};
  WorkspaceScope scratch(context.workspace);
  const TensorView k = scratch.TakeTensor(DType::kF32, kv_shape);
  const TensorView v = scratch.TakeTensor(DType::kF32, kv_shape);
  const std::array parts = {args.q, k, v};
  SplitColumns(context, {.x = args.qkv, .parts = parts});
  NormHeads(context, args.q, args.q_norm, args.eps);
  NormHeads(context, k, args.k_norm, args.eps);
  Rope(context, {.positions = args.positions, .table = args.table, .x = args.q});
  Rope(context, {.positions = args.positions, .table = args.table, .x = k});
  KvWrite(context, {.k = k, .v = v, .batch = args.batch, .pool = args.pool, .layer = args.layer});
}

}  // namespace

void AttentionInputs(Context& context, const AttentionInputsArgs& args) {
  const KvLayout& layout = args.pool.layout();
  ShapeCheck check("AttentionInputs");
  Dim tokens{"tokens"}, num_heads{"num_heads"}, head_dim{"head_dim", layout.head_dim};
  check.Match("q", args.q, {tokens, num_heads, head_dim}).Type("q", args.q, {DType::kF32});
  Dim width{"(num_heads + 2 num_kv_heads) * head_dim",
            (num_heads + 2 * layout.num_kv_heads) * head_dim};
  check.Match("qkv", args.qkv, {tokens, width})
      .Type("qkv", args.qkv, {DType::kF32})
      .Match("positions", args.positions, {tokens})
      .Type("positions", args.positions, {DType::kI32});
  CHECK(args.table.config().head_dim == head_dim, args.table.config().head_dim, head_dim.value());
  CHECK(args.q_norm.empty() == args.k_norm.empty(), "q and k are normed both or not at all");
  if (!args.q_norm.empty()) {
    check.Match("q_norm", args.q_norm, {head_dim})
        .Type("q_norm", args.q_norm, {DType::kF32})
        .Match("k_norm", args.k_norm, {head_dim})
        .Type("k_norm", args.k_norm, {DType::kF32});
  }
  if (RunOnDevice(context, &DeviceOps::attention_inputs, "AttentionInputs", args)) return;
  RunInParts(context, args);
}

}  // namespace tandem
