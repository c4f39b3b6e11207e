#include "kernels/moe.h"

#include <cstring>
#include <numeric>

#include "kernels/core/shape_check.h"
#include "kernels/core/workspace.h"
#include "kernels/cpu/moe_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

void MoeRoute(Context& context, const MoeRouteArgs& args) {
  ShapeCheck check("MoeRoute");
  Dim tokens{"tokens"}, num_experts{"num_experts"}, top_k{"top_k"};
  check.Match("logits", args.logits, {tokens, num_experts});
  check.Match("experts", args.experts, {tokens, top_k});
  check.Match("weights", args.weights, {tokens, top_k});
  CHECK(num_experts <= cpu::MoeRouteRows::kMaxExperts, num_experts.value());
  CHECK(top_k >= 1 && top_k <= num_experts, top_k.value(), num_experts.value());
  if (RunOnDevice(context, &DeviceOps::moe_route, "MoeRoute", args)) return;
  const cpu::MoeRouteRows work{
      .logits = args.logits.data<float>(),
      .num_experts = num_experts,
      .top_k = top_k,
      .sigmoid = args.score == MoeScore::kSigmoid,
      .renormalise = args.renormalise,
      .experts = args.experts.data<int32_t>(),
      .weights = args.weights.data<float>(),
  };
  cpu::MoeRouteFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::MoeRoute, cpu::avx2::MoeRoute, cpu::avx512::MoeRoute);
  context.pool.ForRanges(tokens, cpu::GrainRows(4 * num_experts * (top_k + 1)),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

// A counting sort on the calling thread: a microsecond per thousand choices.
void MoePermute(Context& context, const MoePermuteArgs& args) {
  ShapeCheck check("MoePermute");
  Dim tokens{"tokens"}, top_k{"top_k"}, bounds{"num_experts + 1", args.num_experts + 1};
  check.Match("experts", args.experts, {tokens, top_k}).Match("offsets", args.offsets, {bounds});
  Dim num_rows{"tokens * top_k", tokens * top_k};
  check.Match("row_of", args.row_of, {tokens, top_k}).Match("token_of", args.token_of, {num_rows});
  if (RunOnDevice(context, &DeviceOps::moe_permute, "MoePermute", args)) return;
  const int32_t* experts = args.experts.data<int32_t>();
  int32_t* offsets = args.offsets.data<int32_t>();
  int32_t* row_of = args.row_of.data<int32_t>();
  int32_t* token_of = args.token_of.data<int32_t>();

  std::memset(offsets, 0, static_cast<size_t>(args.offsets.size_bytes()));
  for (int64_t i = 0; i < num_rows; ++i) {
    CHECK(experts[i] >= 0 && experts[i] < args.num_experts, i, experts[i], args.num_experts);
    ++offsets[experts[i] + 1];
  }
  for (int64_t e = 0; e < args.num_experts; ++e) offsets[e + 1] += offsets[e];
  // offsets[e] is the next free row of e until all are placed; then it is where e + 1 begins.
  for (int64_t i = 0; i < num_rows; ++i) {
    const int32_t row = offsets[experts[i]]++;
    row_of[i] = row;
    token_of[row] = static_cast<int32_t>(i / top_k);
  }
  for (int64_t e = args.num_experts; e > 0; --e) offsets[e] = offsets[e - 1];
  offsets[0] = 0;
}

void GatherRows(Context& context, const GatherRowsArgs& args) {
  ShapeCheck check("GatherRows");
  Dim tokens{"tokens"}, num_rows{"num_rows"}, width{"width"};
  check.Match("rows", args.rows, {num_rows});
  if (args.x.shape().rank() == 1) {
    check.Match("x", args.x, {tokens}).Match("y", args.y, {num_rows});
  } else {
    check.Match("x", args.x, {tokens, width}).Match("y", args.y, {num_rows, width});
  }
  CHECK(args.x.dtype() == args.y.dtype(), Name(args.x.dtype()), Name(args.y.dtype()));
  if (RunOnDevice(context, &DeviceOps::gather_rows, "GatherRows", args)) return;
  const int64_t row_elements = args.x.shape().rank() == 1 ? 1 : width.value();
  const auto row_bytes = static_cast<size_t>(row_elements * SizeOf(args.x.dtype()));
  const int32_t* rows = args.rows.data<int32_t>();
  const std::byte* x = args.x.bytes();
  std::byte* y = args.y.bytes();
  context.pool.ForRanges(num_rows, cpu::GrainRows(row_elements), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      CHECK(rows[i] >= 0 && rows[i] < tokens, i, rows[i], tokens.value());
      std::memcpy(y + static_cast<size_t>(i) * row_bytes,
                  x + static_cast<size_t>(rows[i]) * row_bytes, row_bytes);
    }
  });
}

void ScatterRows(Context& context, const ScatterRowsArgs& args) {
  ShapeCheck check("ScatterRows");
  Dim tokens{"tokens"}, num_rows{"num_rows"}, width{"width"};
  check.Match("rows", args.rows, {num_rows});
  check.Match("x", args.x, {num_rows, width}).Match("y", args.y, {tokens, width});
  if (RunOnDevice(context, &DeviceOps::scatter_rows, "ScatterRows", args)) return;
  const int32_t* rows = args.rows.data<int32_t>();
  const float* x = args.x.data<float>();
  float* y = args.y.data<float>();
  context.pool.ForRanges(num_rows, cpu::GrainRows(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      CHECK(rows[i] >= 0 && rows[i] < tokens, i, rows[i], tokens.value());
      std::copy_n(x + i * width, width.value(), y + rows[i] * width);
    }
  });
}

void MoeCombine(Context& context, const MoeCombineArgs& args) {
  ShapeCheck check("MoeCombine");
  Dim tokens{"tokens"}, top_k{"top_k"}, width{"width"};
  check.Match("weights", args.weights, {tokens, top_k});
  if (!args.row_of.empty()) check.Match("row_of", args.row_of, {tokens, top_k});
  check.Match("y", args.y, {tokens, width});
  Dim num_rows{"tokens * top_k", tokens * top_k};
  check.Match("y_rows", args.y_rows, {num_rows, width});
  CHECK(top_k >= 1);
  if (!args.shared.empty()) check.Match("shared", args.shared, {tokens, width});
  if (RunOnDevice(context, &DeviceOps::moe_combine, "MoeCombine", args)) return;
  WorkspaceScope scratch(context.workspace);
  const int32_t* row_of = nullptr;
  if (args.row_of.empty()) {
    auto* const in_order = scratch.Take<int32_t>(num_rows);
    std::iota(in_order, in_order + num_rows, 0);
    row_of = in_order;
  } else {
    row_of = args.row_of.data<int32_t>();
  }
  const cpu::MoeCombineRows work{
      .y_rows = args.y_rows.data<float>(),
      .row_of = row_of,
      .weights = args.weights.data<float>(),
      .shared = args.shared.empty() ? nullptr : args.shared.data<float>(),
      .top_k = top_k,
      .width = width,
      .y = args.y.data<float>(),
  };
  for (int64_t i = 0; i < num_rows; ++i) {
    CHECK(work.row_of[i] >= 0 && work.row_of[i] < num_rows, i, work.row_of[i], num_rows.value());
  }
  cpu::MoeCombineFunction* run = cpu::RowsOf(context.isa, cpu::portable::MoeCombine,
                                             cpu::avx2::MoeCombine, cpu::avx512::MoeCombine);
  context.pool.ForRanges(tokens, cpu::GrainRows(width * (top_k + 1)),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void MoeRouteBackward(Context& context, const MoeRouteBackwardArgs& args) {
  ShapeCheck check("MoeRouteBackward");
  Dim tokens{"tokens"}, num_experts{"num_experts"}, top_k{"top_k"};
  check.Match("logits", args.logits, {tokens, num_experts});
  check.Match("dlogits", args.dlogits, {tokens, num_experts});
  check.Match("experts", args.experts, {tokens, top_k});
  check.Match("dweights", args.dweights, {tokens, top_k});
  if (!args.dscores.empty()) check.Match("dscores", args.dscores, {tokens, num_experts});
  CHECK(num_experts <= cpu::MoeRouteRows::kMaxExperts, num_experts.value());
  if (RunOnDevice(context, &DeviceOps::moe_route_backward, "MoeRouteBackward", args)) return;
  const int32_t* experts = args.experts.data<int32_t>();
  for (int64_t i = 0; i < tokens * top_k; ++i) {
    CHECK(experts[i] >= 0 && experts[i] < num_experts, i, experts[i], num_experts.value());
  }
  const cpu::MoeRouteBackwardRows work{
      .logits = args.logits.data<float>(),
      .num_experts = num_experts,
      .top_k = top_k,
      .sigmoid = args.score == MoeScore::kSigmoid,
      .renormalise = args.renormalise,
      .experts = experts,
      .dweights = args.dweights.data<float>(),
      .dscores = args.dscores.empty() ? nullptr : args.dscores.data<float>(),
      .dlogits = args.dlogits.data<float>(),
  };
  cpu::MoeRouteBackwardFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::MoeRouteBackward, cpu::avx2::MoeRouteBackward,
                  cpu::avx512::MoeRouteBackward);
  context.pool.ForRanges(tokens, cpu::GrainRows(8 * num_experts),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

void MoeCombineBackward(Context& context, const MoeCombineBackwardArgs& args) {
  ShapeCheck check("MoeCombineBackward");
  Dim tokens{"tokens"}, top_k{"top_k"}, width{"width"};
  check.Match("row_of", args.row_of, {tokens, top_k});
  check.Match("weights", args.weights, {tokens, top_k});
  check.Match("dweights", args.dweights, {tokens, top_k});
  check.Match("dy", args.dy, {tokens, width});
  Dim num_rows{"tokens * top_k", tokens * top_k};
  check.Match("y_rows", args.y_rows, {num_rows, width});
  check.Match("dy_rows", args.dy_rows, {num_rows, width})
      .Type("dy_rows", args.dy_rows, {DType::kF32, DType::kBf16});
  if (RunOnDevice(context, &DeviceOps::moe_combine_backward, "MoeCombineBackward", args)) return;
  const int32_t* row_of = args.row_of.data<int32_t>();
  for (int64_t i = 0; i < num_rows; ++i) {
    CHECK(row_of[i] >= 0 && row_of[i] < num_rows, i, row_of[i], num_rows.value());
  }
  cpu::MoeCombineBackwardRows work{
      .dy = args.dy.data<float>(),
      .y_rows = args.y_rows.data<float>(),
      .row_of = row_of,
      .weights = args.weights.data<float>(),
      .top_k = top_k,
      .width = width,
      .dweights = args.dweights.data<float>(),
  };
  if (args.dy_rows.dtype() == DType::kF32) {
    work.d_f32 = args.dy_rows.data<float>();
  } else {
    work.d_bf16 = args.dy_rows.data<BFloat16>();
  }
  cpu::MoeCombineBackwardFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::MoeCombineBackward, cpu::avx2::MoeCombineBackward,
                  cpu::avx512::MoeCombineBackward);
  context.pool.ForRanges(tokens, cpu::GrainRows(2 * top_k * width),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

}  // namespace tandem
