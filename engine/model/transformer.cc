#include "engine/model/transformer.h"

#include <algorithm>
#include <cmath>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/attention_dropout.h"
#include "kernels/attention_inputs.h"
#include "kernels/embedding.h"
#include "kernels/moe.h"
#include "kernels/norm.h"
#include "kernels/quantize.h"

namespace tandem {
namespace {

// The first rows of a buffer, seen with another width.
TensorView First(Tensor& buffer, Shape shape) {
  CHECK(shape.num_elements() * SizeOf(buffer.dtype()) <= buffer.size_bytes(), shape,
        buffer.shape());
  return {buffer.view().bytes(), buffer.dtype(), shape, buffer.device()};
}

// An operand that the model may not have.
ConstTensorView Optional(const Tensor& tensor) {
  return tensor.empty() ? ConstTensorView() : tensor.view();
}

// Nothing of what is not kept.
TensorView FirstRows(Tensor& buffer, int64_t rows) {
  return buffer.empty() ? TensorView() : buffer.view().Rows(0, rows);
}

// A copy for the backward, where one is kept.
void Remember(Context& context, ConstTensorView x, Tensor& copy) {
  if (!copy.empty()) Convert(context, {.x = x, .y = copy.view().Rows(0, x.dim(0))});
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

Transformer::Transformer(const ModelConfig& config, const ModelWeights& weights, int64_t max_tokens,
                         Keep keep)
    : config_(config),
      weights_(weights),
      rope_(config.rope, weights.embedding.device()),
      activation_dtype_(weights.dtype == DType::kBf16 ? DType::kBf16 : DType::kF32),
      max_tokens_(max_tokens),
      keep_(keep) {
  const int64_t rows = max_tokens * std::max<int64_t>(config.moe.top_k, 1);
  const bool int8 = weights.dtype == DType::kI8;
  const Device device = weights.embedding.device();
  CHECK(keep == Keep::kNothing || !int8, "weights in i8 have no backward");
  layers_ = AllocateActivations(config, max_tokens, activation_dtype_, keep, device);
  if (keep == Keep::kLayerInputs) {
    layer_inputs_ =
        Tensor(DType::kF32, {config.num_layers * max_tokens, config.hidden_size}, device);
  }
  hidden_ = Tensor(DType::kF32, {max_tokens, config.hidden_size}, device);
  normed_ = Tensor(activation_dtype_, {max_tokens, config.hidden_size}, device);
  if (int8) {
    const int64_t widest = std::max(
        {config.hidden_size, config.num_heads * config.head_dim, WidestFeedForward(config)});
    quantized_ = Tensor(DType::kI8, {rows, widest}, device);
    row_scales_ = Tensor(DType::kF32, {rows}, device);
  }
  if (config.moe.num_experts > 0) {
    shared_output_ = Tensor(DType::kF32, {max_tokens, config.hidden_size}, device);
  }
}

int64_t Transformer::activation_bytes() const {
  int64_t total = ActivationBytes(layers_);
  for (const Tensor* tensor :
       {&layer_inputs_, &hidden_, &normed_, &quantized_, &row_scales_, &shared_output_, &branch_}) {
    total += tensor->size_bytes();
  }
  return total;
}

const LayerActivations& Transformer::activations(int64_t layer) const {
  CHECK(keep_ != Keep::kNothing, "activations are not kept");
  if (keep_ == Keep::kForBackward) return layers_[static_cast<size_t>(layer)];
  CHECK(computed_layer_ == layer, computed_layer_, layer);
  return layers_.front();
}

void Transformer::SetDropout(const Dropout& dropout) {
  CHECK(!dropout.is_active() || keep_ != Keep::kNothing, "dropout is for training");
  dropout_ = dropout;
  if (dropout.is_active() && branch_.empty()) {
    branch_ = Tensor(DType::kF32, {max_tokens_, config_.hidden_size}, hidden_.device());
  }
}

Transformer::Destination Transformer::Before(TensorView y, MatmulOutput output) {
  if (!dropout_.is_active()) return {y, output};
  return {branch_.view().Rows(0, num_tokens_), MatmulOutput::kStore};
}

void Transformer::DropInto(Context& context, const Destination& to, const DropoutMask& mask) {
  if (!dropout_.is_active()) return;
  DropOut(context, {.x = branch_.view().Rows(0, num_tokens_),
                    .mask = mask,
                    .y = to.y,
                    .output = to.output == MatmulOutput::kAdd ? DropoutOutput::kAdd
                                                              : DropoutOutput::kStore});
}

void Transformer::Recompute(Context& context, const TokenBatch& batch, KvPool& pool,
                            int64_t layer) {
  if (keep_ != Keep::kLayerInputs || computed_layer_ == layer) return;
  Convert(context, {.x = InputOf(layer), .y = hidden_.view().Rows(0, num_tokens_)});
  Layer(context, batch, pool, layer);
}

void Transformer::Forward(Context& context, const TokenBatch& batch, KvPool& pool) {
  num_tokens_ = batch.num_tokens();
  CHECK(num_tokens_ <= max_tokens_, num_tokens_, max_tokens_);
  ReservePositions(context, batch.max_position() + 1);
  Embedding(context, {.ids = batch.token_ids(),
                      .table = weights_.embedding,
                      .y = hidden_.view().Rows(0, num_tokens_)});  // [tokens, hidden]
  if (dropout_.is_active()) {
    const TensorView hidden = hidden_.view().Rows(0, num_tokens_);
    DropOut(context, {.x = hidden, .mask = MaskOf(DropoutPlace::kEmbedding, 0), .y = hidden});
  }
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    if (keep_ == Keep::kLayerInputs) {
      Convert(context, {.x = hidden_.view().Rows(0, num_tokens_), .y = InputOf(layer)});
    }
    Layer(context, batch, pool, layer);
  }
}

void Transformer::Layer(Context& context, const TokenBatch& batch, KvPool& pool, int64_t layer) {
  AttentionBlock(context, batch, pool, layer);  // hidden += attention(norm(hidden))
  FeedForwardBlock(context, layer);             // hidden += ffn(norm(hidden))
  computed_layer_ = layer;
}

void Transformer::AttentionBlock(Context& context, const TokenBatch& batch, KvPool& pool,
                                 int64_t layer) {
  const AttentionWeights& weights = weights_.layers[static_cast<size_t>(layer)].attention;
  LayerActivations& kept = At(layer);
  const int64_t tokens = num_tokens_, dim = config_.head_dim;
  const TensorView hidden = hidden_.view().Rows(0, tokens);
  const TensorView normed = kept.attention_normed.view().Rows(0, tokens);
  const TensorView qkv = kept.qkv.view().Rows(0, tokens);
  const TensorView q = kept.q.view().Rows(0, tokens);
  const TensorView attended = kept.attended.view().Rows(0, tokens);

  Remember(context, hidden, kept.input);
  Norm(context, hidden, weights.norm, normed);  // [tokens, hidden]
  const MatmulInput input = Stage(context, normed);
  Matmul(context, {.x = input.x,
                   .x_scales = input.scales,
                   .w = weights.qkv,
                   .bias = Optional(weights.qkv_bias),
                   .y = qkv});  // [tokens, (heads + 2 kv_heads) * head_dim]
  AttentionInputs(context, {.qkv = qkv,
                            .positions = batch.positions(),
                            .table = rope_,
                            .q_norm = Optional(weights.q_norm),
                            .k_norm = Optional(weights.k_norm),
                            .eps = config_.norm_eps,
                            .batch = batch.ragged(),
                            .pool = pool,
                            .layer = layer,
                            .q = q});  // [tokens, heads, head_dim]
  const AttentionArgs attention{.q = q,
                                .batch = batch.ragged(),
                                .pool = pool,
                                .layer = layer,
                                .scale = 1.0f / std::sqrt(static_cast<float>(dim)),
                                .window = config_.windows[static_cast<size_t>(layer)],
                                .y = attended.Reshaped({tokens, config_.num_heads, dim}),
                                .statistics = FirstRows(kept.statistics, tokens)};
  if (dropout_.is_active()) {
    const DropoutMask mask = MaskOf(DropoutPlace::kAttentionWeights, layer);
    DropoutAttention(context, {.attention = attention, .mask = mask});
  } else {
    Attention(context, attention);
  }
  const Destination to = Before(hidden, MatmulOutput::kAdd);
  const MatmulInput mixed = Stage(context, attended);  // [tokens, heads * head_dim]
  Matmul(context, {.x = mixed.x,
                   .x_scales = mixed.scales,
                   .w = weights.output,
                   .bias = Optional(weights.output_bias),
                   .y = to.y,
                   .output = to.output});  // [tokens, hidden]
  DropInto(context, {hidden, MatmulOutput::kAdd}, MaskOf(DropoutPlace::kAttentionOutput, layer));
}

void Transformer::FeedForwardBlock(Context& context, int64_t layer) {
  const LayerWeights& weights = weights_.layers[static_cast<size_t>(layer)];
  const TensorView hidden = hidden_.view().Rows(0, num_tokens_);
  LayerActivations& kept = At(layer);
  Tensor& norm_output = kept.ffn_normed.empty() ? kept.attention_normed : kept.ffn_normed;
  const TensorView normed = norm_output.view().Rows(0, num_tokens_);
  Remember(context, hidden, kept.middle);
  Norm(context, hidden, weights.ffn_norm, normed);  // [tokens, hidden]
  if (weights.moe) {
    MixtureOfExperts(context, *weights.moe, normed, kept.moe, layer);
  } else {
    const Destination to = Before(hidden, MatmulOutput::kAdd);
    FeedForward(context, *weights.dense, Stage(context, normed), kept.dense, to.y, to.output);
    DropInto(context, {hidden, MatmulOutput::kAdd}, MaskOf(DropoutPlace::kFeedForward, layer));
  }
}

void Transformer::FeedForward(Context& context, const FeedForwardWeights& weights,
                              const MatmulInput& input, FeedForwardActivations& activations,
                              TensorView y, MatmulOutput output) {
  const int64_t tokens = input.x.dim(0);
  const TensorView gate_up = activations.gate_up.view().Rows(0, tokens);
  const TensorView activated = activations.activated.view().Rows(0, tokens);
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
                                   ConstTensorView normed, MoeActivations& kept, int64_t layer) {
  const MoeConfig& moe = config_.moe;
  const int64_t tokens = num_tokens_, rows = tokens * moe.top_k;
  Route(context, weights, normed, kept);
  const ConstTensorView activated = ActivateExperts(context, weights, normed, kept);
  ConstTensorView shared;
  for (size_t index = 0; index < weights.shared.size(); ++index) {
    const Destination sum{shared_output_.view().Rows(0, tokens),
                          index == 0 ? MatmulOutput::kStore : MatmulOutput::kAdd};
    const Destination to = Before(sum.y, sum.output);
    FeedForward(context, weights.shared[index], Stage(context, normed),
                kept.shared[std::min(index, kept.shared.size() - 1)], to.y, to.output);
    DropInto(context, sum,
             MaskOf(DropoutPlace::kSharedExperts, layer, static_cast<int64_t>(index)));
    shared = sum.y;
  }
  const TensorView output = kept.output.view().Rows(0, rows);
  const MatmulInput staged = Stage(context, activated);
  const bool is_sorted = SortsChoices(context);
  MatmulGrouped(context,
                {.x = staged.x,
                 .x_scales = staged.scales,
                 .offsets = is_sorted ? kept.offsets.view() : TensorView(),
                 .w = weights.down,
                 .y = output,
                 .groups = is_sorted ? ConstTensorView() : Choices(kept)});  // [rows, hidden]
  if (dropout_.is_active()) {
    const DropoutMask mask = MaskOf(DropoutPlace::kFeedForward, layer);
    DropOut(context, {.x = output, .mask = mask, .y = output});
  }
  MoeCombine(context, {.y_rows = output,
                       .row_of = is_sorted ? FirstRows(kept.row_of, tokens) : TensorView(),
                       .weights = FirstRows(kept.shares, tokens),
                       .shared = shared,
                       .y = hidden_.view().Rows(0, tokens)});  // [tokens, hidden]
}

// Whether a mixture's rows lie sorted by expert. The backward wants them so.
bool Transformer::SortsChoices(const Context& context) const {
  return keep_ != Keep::kNothing || !TakesUnsorted(context, num_tokens_, config_.moe.top_k);
}

// The expert of each row where they are not sorted: [tokens * top_k].
ConstTensorView Transformer::Choices(MoeActivations& kept) const {
  const int64_t rows = num_tokens_ * config_.moe.top_k;
  return FirstRows(kept.experts, num_tokens_).Reshaped({rows});
}

// silu(gate) * up of each expert's rows: [rows, intermediate].
ConstTensorView Transformer::ActivateExperts(Context& context, const MoeWeights& weights,
                                             ConstTensorView normed, MoeActivations& kept) {
  const int64_t rows = num_tokens_ * config_.moe.top_k;
  const MatmulInput input = Stage(context, normed);  // [tokens, hidden]
  const ConstTensorView token_of = FirstRows(kept.token_of, rows);
  const TensorView activated = kept.routed.activated.view().Rows(0, rows);
  if (!SortsChoices(context)) {
    MatmulGrouped(context, {.x = input.x,
                            .x_scales = input.scales,
                            .offsets = {},
                            .w = weights.gate_up,
                            .y = {},
                            .activated = activated,
                            .groups = Choices(kept)});
    return activated;
  }
  if (keep_ == Keep::kNothing) {
    MatmulGrouped(context, {.x = input.x,
                            .x_scales = input.scales,
                            .offsets = kept.offsets,
                            .w = weights.gate_up,
                            .rows = token_of,
                            .activated = activated});
    return activated;
  }
  const TensorView gathered = kept.gathered.view().Rows(0, rows);
  const TensorView gate_up = kept.routed.gate_up.view().Rows(0, rows);
  GatherRows(context, {.x = input.x, .rows = token_of, .y = gathered});
  MatmulGrouped(context,
                {.x = gathered, .offsets = kept.offsets, .w = weights.gate_up, .y = gate_up});
  SiluMul(context, {.gate_up = gate_up, .y = activated});
  return activated;
}

void Transformer::Route(Context& context, const MoeWeights& weights, ConstTensorView normed,
                        MoeActivations& kept) {
  const MoeConfig& moe = config_.moe;
  const int64_t tokens = num_tokens_;
  WorkspaceScope scratch(context.workspace);
  ConstTensorView routed = normed;
  // The router is f32; its input is rounded as the experts' is.
  if (normed.dtype() != DType::kF32) {
    const TensorView widened = scratch.TakeTensor(DType::kF32, normed.shape());
    Convert(context, {.x = normed, .y = widened});
    routed = widened;
  }
  const TensorView logits = kept.logits.view().Rows(0, tokens);
  const TensorView experts = kept.experts.view().Rows(0, tokens);
  Matmul(context, {.x = routed, .x_scales = {}, .w = weights.router, .y = logits});
  MoeRoute(context, {.logits = logits,
                     .score = moe.score,
                     .renormalise = moe.renormalise,
                     .experts = experts,
                     .weights = kept.shares.view().Rows(0, tokens)});  // [tokens, top_k]
  if (!SortsChoices(context)) return;
  MoePermute(context, {.experts = experts,
                       .num_experts = moe.num_experts,
                       .offsets = kept.offsets,
                       .row_of = kept.row_of.view().Rows(0, tokens),
                       .token_of = kept.token_of.view().Rows(0, tokens * moe.top_k)});
}

void Transformer::Logits(Context& context, ConstTensorView rows, TensorView logits) {
  const int64_t num_rows = rows.dim(0);
  WorkspaceScope scratch(context.workspace);
  const TensorView picked = scratch.TakeTensor(DType::kF32, {num_rows, config_.hidden_size});
  const TensorView normed = normed_.view().Rows(0, num_rows);
  HeadInput(context, rows, picked, normed);
  const MatmulInput input = Stage(context, normed);
  Matmul(context, {.x = input.x,
                   .x_scales = input.scales,
                   .w = weights_.output_head(),
                   .y = logits});  // [rows, vocab]
}

void Transformer::HeadInput(Context& context, ConstTensorView rows, TensorView picked,
                            TensorView normed) {
  GatherRows(context, {.x = hidden(), .rows = rows, .y = picked});
  Norm(context, picked, weights_.final_norm, normed);  // [rows, hidden]
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
