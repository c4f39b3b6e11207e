#include "engine/model/transformer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/embedding.h"
#include "kernels/moe.h"
#include "kernels/norm.h"
#include "kernels/quantize.h"
#include "kernels/split_columns.h"

namespace tandem {
namespace {

// The first rows of a buffer, seen with another width.
TensorView First(Tensor& buffer, Shape shape) {
  CHECK(shape.num_elements() * SizeOf(buffer.dtype()) <= buffer.size_bytes(), shape,
        buffer.shape());
  return {buffer.view().bytes(), buffer.dtype(), shape};
}

// An operand that the model may not have.
ConstTensorView Optional(const Tensor& tensor) {
  return tensor.empty() ? ConstTensorView() : tensor.view();
}

int64_t WidestFeedForward(const ModelConfig& config) {
  int64_t widest = 0;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    widest = std::max(
        widest, config.is_sparse(layer) ? config.moe.intermediate_size : config.intermediate_size);
  }
  return widest;
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, const ModelWeights& weights, int64_t max_tokens)
    : config_(config),
      weights_(weights),
      rope_(config.rope),
      activation_dtype_(weights.dtype == DType::kBf16 ? DType::kBf16 : DType::kF32),
      max_tokens_(max_tokens) {
  const int64_t rows = max_tokens * std::max<int64_t>(config.moe.top_k, 1);
  const int64_t heads = config.num_heads, kv_heads = config.num_kv_heads, dim = config.head_dim;
  const int64_t intermediate = WidestFeedForward(config);
  hidden_ = Tensor(DType::kF32, {max_tokens, config.hidden_size});
  normed_ = Tensor(activation_dtype_, {max_tokens, config.hidden_size});
  qkv_ = Tensor(DType::kF32, {max_tokens, (heads + 2 * kv_heads) * dim});
  q_ = Tensor(DType::kF32, {max_tokens, heads, dim});
  k_ = Tensor(DType::kF32, {max_tokens, kv_heads, dim});
  v_ = Tensor(DType::kF32, {max_tokens, kv_heads, dim});
  attended_ = Tensor(activation_dtype_, {max_tokens, heads * dim});
  gate_up_ = Tensor(DType::kF32, {rows, 2 * intermediate});
  activated_ = Tensor(activation_dtype_, {rows, intermediate});
  const bool int8 = weights.dtype == DType::kI8;
  if (int8) {
    const int64_t widest = std::max({config.hidden_size, heads * dim, intermediate});
    quantized_ = Tensor(DType::kI8, {rows, widest});
    row_scales_ = Tensor(DType::kF32, {rows});
  }
  if (config.moe.num_experts > 0) {
    const DType input = int8 ? DType::kI8 : activation_dtype_;
    expert_input_ = Tensor(input, {rows, config.hidden_size});
    if (int8) expert_scales_ = Tensor(DType::kF32, {rows});
    expert_output_ = Tensor(DType::kF32, {rows, config.hidden_size});
    shared_output_ = Tensor(DType::kF32, {max_tokens, config.hidden_size});
  }
}

void Transformer::Forward(Context& context, const TokenBatch& batch, KvPool& pool) {
  num_tokens_ = batch.num_tokens();
  CHECK(num_tokens_ <= max_tokens_, num_tokens_, max_tokens_);
  rope_.Reserve(batch.max_position() + 1);
  Embedding(context, {.ids = batch.token_ids(),
                      .table = weights_.embedding,
                      .y = hidden_.view().Rows(0, num_tokens_)});  // [tokens, hidden]
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    AttentionBlock(context, batch, pool, layer);  // hidden += attention(norm(hidden))
    FeedForwardBlock(context, layer);             // hidden += ffn(norm(hidden))
  }
}

void Transformer::AttentionBlock(Context& context, const TokenBatch& batch, KvPool& pool,
                                 int64_t layer) {
  const AttentionWeights& weights = weights_.layers[static_cast<size_t>(layer)].attention;
  const int64_t tokens = num_tokens_, dim = config_.head_dim;
  const TensorView hidden = hidden_.view().Rows(0, tokens);
  const TensorView normed = normed_.view().Rows(0, tokens);
  const TensorView qkv = qkv_.view().Rows(0, tokens);
  const TensorView q = q_.view().Rows(0, tokens);
  const TensorView k = k_.view().Rows(0, tokens);
  const TensorView v = v_.view().Rows(0, tokens);
  const TensorView attended = attended_.view().Rows(0, tokens);

  Norm(context, hidden, weights.norm, normed);  // [tokens, hidden]
  const MatmulInput input = Stage(context, normed);
  Matmul(context, {.x = input.x,
                   .x_scales = input.scales,
                   .w = weights.qkv,
                   .bias = Optional(weights.qkv_bias),
                   .y = qkv});  // [tokens, (heads + 2 kv_heads) * head_dim]
  const std::array parts = {q, k, v};
  SplitColumns(context, {.x = qkv, .parts = parts});  // [tokens, heads, head_dim] each
  if (config_.qk_norm) {
    const TensorView q_rows = q.Reshaped({tokens * config_.num_heads, dim});
    const TensorView k_rows = k.Reshaped({tokens * config_.num_kv_heads, dim});
    Norm(context, q_rows, weights.q_norm, q_rows);
    Norm(context, k_rows, weights.k_norm, k_rows);
  }
  Rope(context, {.positions = batch.positions(), .table = rope_, .x = q});
  Rope(context, {.positions = batch.positions(), .table = rope_, .x = k});
  KvWrite(context, {.k = k, .v = v, .batch = batch.ragged(), .pool = pool, .layer = layer});
  Attention(context, {.q = q,
                      .batch = batch.ragged(),
                      .pool = pool,
                      .layer = layer,
                      .scale = 1.0f / std::sqrt(static_cast<float>(dim)),
                      .window = config_.windows[static_cast<size_t>(layer)],
                      .y = attended.Reshaped({tokens, config_.num_heads, dim})});
  const MatmulInput mixed = Stage(context, attended);  // [tokens, heads * head_dim]
  Matmul(context, {.x = mixed.x,
                   .x_scales = mixed.scales,
                   .w = weights.output,
                   .bias = Optional(weights.output_bias),
                   .y = hidden,
                   .output = MatmulOutput::kAdd});  // [tokens, hidden]
}

void Transformer::FeedForwardBlock(Context& context, int64_t layer) {
  const LayerWeights& weights = weights_.layers[static_cast<size_t>(layer)];
  const TensorView hidden = hidden_.view().Rows(0, num_tokens_);
  const TensorView normed = normed_.view().Rows(0, num_tokens_);
  Norm(context, hidden, weights.ffn_norm, normed);  // [tokens, hidden]
  if (weights.moe) {
    MixtureOfExperts(context, *weights.moe, normed);
  } else {
    FeedForward(context, *weights.dense, Stage(context, normed), hidden, MatmulOutput::kAdd);
  }
}

void Transformer::FeedForward(Context& context, const FeedForwardWeights& weights,
                              const MatmulInput& input, TensorView y, MatmulOutput output) {
  const int64_t tokens = input.x.dim(0), intermediate = weights.down.k();
  const TensorView gate_up = First(gate_up_, {tokens, 2 * intermediate});
  const TensorView activated = First(activated_, {tokens, intermediate});
  Matmul(context, {.x = input.x,
                   .x_scales = input.scales,
                   .w = weights.gate_up,
                   .bias = Optional(weights.gate_up_bias),
                   .y = gate_up});                         // [tokens, 2 * intermediate]
  SiluMul(context, {.gate_up = gate_up, .y = activated});  // [tokens, intermediate]
  const MatmulInput staged = Stage(context, activated);
  Matmul(context, {.x = staged.x,
                   .x_scales = staged.scales,
                   .w = weights.down,
                   .bias = Optional(weights.down_bias),
                   .y = y,
                   .output = output});  // [tokens, hidden]
}

void Transformer::MixtureOfExperts(Context& context, const MoeWeights& weights,
                                   ConstTensorView normed) {
  const MoeConfig& moe = config_.moe;
  const int64_t tokens = num_tokens_, hidden_size = config_.hidden_size;
  const int64_t rows = tokens * moe.top_k;
  WorkspaceScope scratch(context.workspace);
  const auto ints = [&](Shape shape) {
    return TensorView(scratch.Take<int32_t>(shape.num_elements()), shape);
  };
  const auto floats = [&](Shape shape) {
    return TensorView(scratch.Take<float>(shape.num_elements()), shape);
  };

  ConstTensorView routed = normed;
  if (normed.dtype() !=
      DType::kF32) {  // the router is f32; its input is rounded as the experts' is
    const TensorView widened = floats({tokens, hidden_size});
    Convert(context, {.x = normed, .y = widened});
    routed = widened;
  }
  const TensorView logits = floats({tokens, moe.num_experts});
  const TensorView experts = ints({tokens, moe.top_k});
  const TensorView shares = floats({tokens, moe.top_k});
  Matmul(context, {.x = routed, .x_scales = {}, .w = weights.router, .y = logits});
  MoeRoute(context, {.logits = logits,
                     .score = moe.score,
                     .renormalise = moe.renormalise,
                     .experts = experts,
                     .weights = shares});  // [tokens, top_k]
  const TensorView offsets = ints({moe.num_experts + 1});
  const TensorView row_of = ints({tokens, moe.top_k});
  const TensorView token_of = ints({rows});
  MoePermute(context, {.experts = experts,
                       .num_experts = moe.num_experts,
                       .offsets = offsets,
                       .row_of = row_of,
                       .token_of = token_of});

  const MatmulInput input = Stage(context, normed);  // [tokens, hidden]
  const TensorView gathered = First(expert_input_, {rows, hidden_size});
  GatherRows(context, {.x = input.x, .rows = token_of, .y = gathered});
  ConstTensorView gathered_scales;
  if (!input.scales.empty()) {
    const TensorView scales = First(expert_scales_, {rows, 1});
    GatherRows(context, {.x = input.scales.Reshaped({tokens, 1}), .rows = token_of, .y = scales});
    gathered_scales = scales.Reshaped({rows});
  }
  // The shared experts read the same staged input, so they run before it is overwritten.
  ConstTensorView shared;
  for (size_t index = 0; index < weights.shared.size(); ++index) {
    const TensorView sum = shared_output_.view().Rows(0, tokens);
    FeedForward(context, weights.shared[index], Stage(context, normed), sum,
                index == 0 ? MatmulOutput::kStore : MatmulOutput::kAdd);
    shared = sum;
  }
  const TensorView gate_up = First(gate_up_, {rows, 2 * moe.intermediate_size});
  const TensorView activated = First(activated_, {rows, moe.intermediate_size});
  const TensorView output = First(expert_output_, {rows, hidden_size});
  MatmulGrouped(context, {.x = gathered,
                          .x_scales = gathered_scales,
                          .offsets = offsets,
                          .w = weights.gate_up,
                          .y = gate_up});  // [rows, 2 * intermediate]
  SiluMul(context, {.gate_up = gate_up, .y = activated});
  const MatmulInput staged = Stage(context, activated);
  MatmulGrouped(context, {.x = staged.x,
                          .x_scales = staged.scales,
                          .offsets = offsets,
                          .w = weights.down,
                          .y = output});  // [rows, hidden]
  MoeCombine(context, {.y_rows = output,
                       .row_of = row_of,
                       .weights = shares,
                       .shared = shared,
                       .y = hidden_.view().Rows(0, tokens)});  // [tokens, hidden]
}

void Transformer::Logits(Context& context, std::span<const int32_t> rows, TensorView logits) {
  const auto num_rows = static_cast<int64_t>(rows.size());
  WorkspaceScope scratch(context.workspace);
  const Shape shape{num_rows, config_.hidden_size};
  const TensorView picked(scratch.Take<float>(shape.num_elements()), shape);
  const TensorView normed = normed_.view().Rows(0, num_rows);
  GatherRows(context, {.x = hidden(), .rows = {rows.data(), Shape{num_rows}}, .y = picked});
  Norm(context, picked, weights_.final_norm, normed);  // [rows, hidden]
  const MatmulInput input = Stage(context, normed);
  Matmul(context, {.x = input.x,
                   .x_scales = input.scales,
                   .w = weights_.output_head(),
                   .y = logits});  // [rows, vocab]
}

void Transformer::Norm(Context& context, TensorView x, const Tensor& weight, TensorView y) {
  RmsNorm(context,
          {.x = x, .weight = weight, .eps = config_.norm_eps, .cast = config_.norm_cast, .y = y});
}

Transformer::MatmulInput Transformer::Stage(Context& context, ConstTensorView x) {
  if (weights_.dtype != DType::kI8) return {.x = x, .scales = {}};
  const TensorView quantized = First(quantized_, x.shape());
  const TensorView scales = First(row_scales_, {x.dim(0)});
  QuantizeRows(context, {.x = x, .y = quantized, .scales = scales});
  return {.x = quantized, .scales = scales};
}

}  // namespace tandem
