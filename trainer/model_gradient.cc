#include "trainer/model_gradient.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/attention_dropout.h"
#include "kernels/cross_entropy.h"
#include "kernels/embedding.h"
#include "kernels/gradient.h"
#include "kernels/moe.h"
#include "kernels/norm.h"
#include "kernels/quantize.h"
#include "kernels/split_columns.h"
#include "trainer/balance_loss.h"

namespace tandem {
namespace {

KvLayout LayoutOf(const ModelConfig& config, DType weights) {
  return {.num_layers = config.num_layers,
          .num_kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim,
          .dtype = weights == DType::kBf16 ? DType::kBf16 : DType::kF32};
}

// The first elements of a buffer in another shape.
TensorView Reshaped(Tensor& buffer, DType dtype, const Shape& shape) {
  CHECK(dtype == buffer.dtype() && shape.num_elements() <= buffer.shape().num_elements(), shape,
        buffer.shape(), Name(dtype));
  return {buffer.view().bytes(), dtype, shape, buffer.device()};
}

// Of a model's linear layer, given what it read and the gradient of what it wrote.
void LinearGradients(Context& context, ConstTensorView dy, ConstTensorView narrow_dy,
                     ConstTensorView x, Tensor& dw, Tensor& dbias) {
  MatmulWeightGradient(context, {.dy = narrow_dy, .x = x, .dw = dw});  // [n, k]
  if (!dbias.empty()) SumRows(context, {.x = dy, .y = dbias});         // [n]
}

}  // namespace

ModelGradient::ModelGradient(const ModelConfig& config, const TrainingWeights& weights,
                             int64_t max_tokens, ActivationCheckpoints checkpoints)
    : config_(config),
      weights_(weights),
      max_tokens_(max_tokens),
      // Every sequence starts a page; those that no token reaches take no memory.
      device_(weights.compute().embedding.device()),
      pool_(LayoutOf(config, weights.compute().dtype), max_tokens, device_),
      transformer_(
          config, weights.compute(), max_tokens,
          checkpoints == ActivationCheckpoints::kLayer ? Keep::kLayerInputs : Keep::kForBackward),
      dtype_(transformer_.activation_dtype()),
      pages_(static_cast<size_t>(max_tokens)) {
  std::iota(pages_.begin(), pages_.end(), 0);
  const int64_t hidden = config.hidden_size, dim = config.head_dim;
  const int64_t heads = config.num_heads, kv_heads = config.num_kv_heads;
  const int64_t qkv = (heads + 2 * kv_heads) * dim;
  const auto floats = [&](Shape shape) { return Tensor(DType::kF32, shape, device_); };
  dhidden_ = floats({max_tokens, hidden});
  dnormed_ = floats({max_tokens, hidden});
  picked_ = floats({max_tokens, hidden});
  head_in_ = Tensor(dtype_, {max_tokens, hidden}, device_);
  dhead_in_ = floats({max_tokens, hidden});
  if (dtype_ != DType::kF32) narrow_ = Tensor(dtype_, {max_tokens, std::max(hidden, qkv)}, device_);
  dattended_ = floats({max_tokens, heads * dim});
  dq_ = floats({max_tokens, heads, dim});
  dk_ = floats({max_tokens, kv_heads, dim});
  dv_ = floats({max_tokens, kv_heads, dim});
  if (config.qk_norm) {
    q_before_ = floats({max_tokens, heads, dim});
    k_before_ = floats({max_tokens, kv_heads, dim});
    v_before_ = floats({max_tokens, kv_heads, dim});
  }
  dqkv_ = floats({max_tokens, qkv});
  int64_t widest = 0;  // rows * intermediate
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const MoeConfig& moe = config.moe;
    widest = std::max(widest, config.is_sparse(layer) ? moe.top_k * moe.intermediate_size
                                                      : config.intermediate_size);
  }
  dactivated_ = floats({max_tokens, widest});
  // A bias's gradient is summed in f32.
  dgate_up_ = Tensor(config.mlp_bias ? DType::kF32 : dtype_, {max_tokens, 2 * widest}, device_);
  if (config.moe.num_experts > 0) AllocateForMixtures();
}

void ModelGradient::AllocateForMixtures() {
  const MoeConfig& moe = config_.moe;
  const int64_t rows = max_tokens_ * moe.top_k, hidden = config_.hidden_size;
  drows_ = Tensor(dtype_, {rows, hidden}, device_);
  dgathered_ = Tensor(DType::kF32, {rows, hidden}, device_);
  dshares_ = Tensor(DType::kF32, {max_tokens_, moe.top_k}, device_);
  dlogits_ = Tensor(DType::kF32, {max_tokens_, moe.num_experts}, device_);
}

void ModelGradient::FillOnes(Context& context) {
  const int64_t count = max_tokens_ * config_.moe.top_k;
  ones_.Reserve(context, count);
  std::fill_n(ones_.host(), count, 1.0f);
  ones_.ToDevice(context, count);
  ones_are_there_ = true;
}

void ModelGradient::SetDropout(const Dropout& dropout) {
  dropout_ = dropout;
  if (dropout.is_active() && dropped_.empty()) {
    dropped_ = Tensor(DType::kF32, {max_tokens_, config_.hidden_size}, device_);
  }
}

BatchLoss ModelGradient::Run(Context& context, const TrainBatch& batch, const LossScale& scale,
                             ModelTensors<Tensor>& gradients) {
  transformer_.SetDropout(dropout_);
  Forward(context, batch);
  Collect(context, batch, scale.targets);
  const auto clear = [&](Tensor& tensor) {
    if (!tensor.empty()) FillZero(context, tensor);
  };
  clear(gradients.embedding);  // the head and the embedding add; everything else is stored
  clear(gradients.head);
  BatchLoss loss = Head(context, scale.targets, gradients);
  for (int64_t layer = config_.num_layers - 1; layer >= 0; --layer) {
    LayerTensors<Tensor>& of_layer = gradients.layers[static_cast<size_t>(layer)];
    transformer_.Recompute(context, tokens_, pool_, layer);
    loss.balance += FeedForwardBlock(context, batch, layer, scale.balance, of_layer);
    AttentionBlock(context, layer, of_layer.attention);
  }
  if (dropout_.is_active()) {
    const TensorView dhidden = dhidden_.view().Rows(0, num_tokens_);
    const DropoutMask mask(dropout_, DropoutPlace::kEmbedding, 0);
    DropOut(context, {.x = dhidden, .mask = mask, .y = dhidden});
  }
  EmbeddingBackward(context, {.ids = tokens_.token_ids(),
                              .dy = dhidden_.view().Rows(0, num_tokens_),
                              .dtable = gradients.embedding});
  return loss;
}

const LayerActivations& ModelGradient::Activations(Context& context, int64_t layer) {
  transformer_.Recompute(context, tokens_, pool_, layer);
  return transformer_.activations(layer);
}

BatchLoss ModelGradient::Evaluate(Context& context, const TrainBatch& batch,
                                  std::vector<float>& logprobs) {
  transformer_.SetDropout({});
  Forward(context, batch);
  BatchLoss loss = Collect(context, batch, 1.0f);
  logprobs.assign(batch.token_ids.size(), 0.0f);
  const int64_t num_rows = loss.num_targets;
  const TensorView normed = head_in_.view().Rows(0, num_rows);
  transformer_.HeadInput(context, rows_.view({num_rows}), picked_.view().Rows(0, num_rows), normed);
  LinearCrossEntropy(context, {.x = normed,
                               .head = weights_.compute().output_head(),
                               .targets = targets_.view({num_rows}),
                               .losses = losses_.view({num_rows})});
  losses_.ToHost(context, num_rows);
  Synchronize(context);
  for (int64_t i = 0; i < num_rows; ++i) {
    logprobs[static_cast<size_t>(rows_.host()[i])] = -losses_.host()[i];
    loss.sum +=
        static_cast<double>(row_weights_.host()[i]) * static_cast<double>(losses_.host()[i]);
  }
  return loss;
}

void ModelGradient::Forward(Context& context, const TrainBatch& batch) {
  num_tokens_ = batch.num_tokens();
  CHECK(num_tokens_ <= max_tokens_, num_tokens_, max_tokens_);
  std::vector<SequenceStep> steps;
  size_t first_page = 0;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const auto begin = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(s)]);
    const auto end = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(s) + 1]);
    const size_t num_pages = (end - begin + KvLayout::kPageTokens - 1) / KvLayout::kPageTokens;
    steps.push_back({.history = std::span(batch.token_ids).subspan(begin, end - begin),
                     .first = 0,
                     .count = static_cast<int64_t>(end - begin),
                     .pages = std::span(pages_).subspan(first_page, num_pages)});
    first_page += num_pages;
  }
  if (config_.moe.num_experts > 0 && !ones_are_there_) FillOnes(context);
  tokens_.Assign(context, steps);
  transformer_.Forward(context, tokens_, pool_);
}

// Which tokens have a target, and its weight.
BatchLoss ModelGradient::Collect(Context& context, const TrainBatch& batch, float scale) {
  BatchLoss loss;
  const auto most = static_cast<int64_t>(batch.targets.size());
  rows_.Reserve(context, most);
  targets_.Reserve(context, most);
  row_weights_.Reserve(context, most);
  losses_.Reserve(context, most);
  for (size_t t = 0; t < batch.targets.size(); ++t) {
    if (batch.targets[t] == TrainBatch::kNoTarget) continue;
    const float weight = batch.weights.empty() ? 1.0f : batch.weights[t];
    const int64_t row = loss.num_targets++;
    rows_.host()[row] = static_cast<int32_t>(t);
    targets_.host()[row] = batch.targets[t];
    row_weights_.host()[row] = weight * scale;
    loss.weight += static_cast<double>(weight);
  }
  rows_.ToDevice(context, loss.num_targets);
  targets_.ToDevice(context, loss.num_targets);
  row_weights_.ToDevice(context, loss.num_targets);
  num_rows_ = loss.num_targets;
  return loss;
}

// From the last layer's output to the loss and back: dhidden_ = the gradient of the residual
// stream.
BatchLoss ModelGradient::Head(Context& context, float scale, ModelTensors<Tensor>& gradients) {
  const int64_t num_rows = num_rows_;
  const ConstTensorView rows = rows_.view({num_rows});
  const TensorView picked = picked_.view().Rows(0, num_rows);
  const TensorView normed = head_in_.view().Rows(0, num_rows);
  const TensorView dnormed = dhead_in_.view().Rows(0, num_rows);
  transformer_.HeadInput(context, rows, picked, normed);  // [rows, hidden]
  LinearCrossEntropyBackward(context, {.forward = {.x = normed,
                                                   .head = weights_.compute().output_head(),
                                                   .targets = targets_.view({num_rows}),
                                                   .losses = losses_.view({num_rows})},
                                       .head_columns = weights_.columns().output_head(),
                                       .weights = row_weights_.view({num_rows}),
                                       .dx = dnormed,
                                       .dhead = gradients.output_head()});
  RmsNormBackward(context, {.x = picked,
                            .weight = weights_.compute().final_norm,
                            .eps = config_.norm_eps,
                            .dy = dnormed,
                            .dx = dnormed,
                            .output = GradientOutput::kStore,
                            .dweight = gradients.final_norm});
  const TensorView dhidden = dhidden_.view().Rows(0, num_tokens_);
  FillZero(context, dhidden);
  ScatterRows(context, {.x = dnormed, .rows = rows, .y = dhidden});
  losses_.ToHost(context, num_rows);
  Synchronize(context);
  BatchLoss loss{.num_targets = num_rows};
  for (int64_t i = 0; i < num_rows; ++i) {
    const double weight = static_cast<double>(row_weights_.host()[i]) / static_cast<double>(scale);
    loss.sum += weight * static_cast<double>(losses_.host()[i]);
    loss.weight += weight;
  }
  return loss;
}

// hidden = middle + ffn(norm(middle)): dhidden_ becomes the gradient of middle. Returns the layer's
// balance loss.
double ModelGradient::FeedForwardBlock(Context& context, const TrainBatch& batch, int64_t layer,
                                       float balance, LayerTensors<Tensor>& gradients) {
  const LayerTensors<PackedMatrix>& weights = weights_.compute().layers[static_cast<size_t>(layer)];
  const LayerTensors<PackedMatrix>& columns = weights_.columns().layers[static_cast<size_t>(layer)];
  const LayerActivations& kept = transformer_.activations(layer);
  const ConstTensorView normed = kept.ffn_normed.view().Rows(0, num_tokens_);
  const TensorView dnormed = dnormed_.view().Rows(0, num_tokens_);
  double loss = 0;
  if (columns.moe) {
    FillZero(context, dnormed);
    for (size_t i = 0; i < columns.moe->shared.size(); ++i) {
      const DropoutMask mask(dropout_, DropoutPlace::kSharedExperts, layer,
                             static_cast<int64_t>(i));
      FeedForward(context, columns.moe->shared[i], kept.moe.shared[i],
                  DroppedGradient(context, mask), normed, dnormed, MatmulOutput::kAdd,
                  gradients.moe->shared[i]);
    }
    MixtureOfExperts(context, layer, *columns.moe, kept.moe, *gradients.moe);
    loss = Router(context, batch, *columns.moe, kept, balance, *gradients.moe);
  } else {
    const DropoutMask mask(dropout_, DropoutPlace::kFeedForward, layer);
    FeedForward(context, *columns.dense, kept.dense, DroppedGradient(context, mask), normed,
                dnormed, MatmulOutput::kStore, *gradients.dense);
  }
  RmsNormBackward(context, {.x = kept.middle.view().Rows(0, num_tokens_),
                            .weight = weights.ffn_norm,
                            .eps = config_.norm_eps,
                            .dy = dnormed,
                            .dx = dhidden_.view().Rows(0, num_tokens_),
                            .dweight = gradients.ffn_norm});
  return loss;
}

// The routed experts: dnormed_ += the gradient of their input, dshares_ = that of their shares.
void ModelGradient::MixtureOfExperts(Context& context, int64_t layer,
                                     const MoeTensors<PackedMatrix>& columns,
                                     const MoeActivations& kept, MoeTensors<Tensor>& gradients) {
  const int64_t tokens = num_tokens_, rows = tokens * config_.moe.top_k;
  const int64_t intermediate = config_.moe.intermediate_size;
  const ConstTensorView row_of = kept.row_of.view().Rows(0, tokens);
  const ConstTensorView gathered = kept.gathered.view().Rows(0, rows);
  const ConstTensorView activated = kept.routed.activated.view().Rows(0, rows);
  const TensorView drows = drows_.view().Rows(0, rows);
  const TensorView dgathered = dgathered_.view().Rows(0, rows);
  const TensorView dactivated = Reshaped(dactivated_, DType::kF32, {rows, intermediate});
  const TensorView dgate_up = Reshaped(dgate_up_, dtype_, {rows, 2 * intermediate});

  MoeCombineBackward(context, {.dy = dhidden_.view().Rows(0, tokens),
                               .y_rows = kept.output.view().Rows(0, rows),
                               .row_of = row_of,
                               .weights = kept.shares.view().Rows(0, tokens),
                               .dy_rows = drows,
                               .dweights = dshares_.view().Rows(0, tokens)});
  if (dropout_.is_active()) {
    const DropoutMask mask(dropout_, DropoutPlace::kFeedForward, layer);
    DropOut(context, {.x = drows, .mask = mask, .y = drows});
  }
  MatmulGrouped(context, {.x = drows,
                          .x_scales = {},
                          .offsets = kept.offsets,
                          .w = columns.down,
                          .y = dactivated});  // [rows, intermediate]
  SiluMulBackward(context, {.gate_up = kept.routed.gate_up.view().Rows(0, rows),
                            .dy = dactivated,
                            .dgate_up = dgate_up});
  MatmulGrouped(context, {.x = dgate_up,
                          .x_scales = {},
                          .offsets = kept.offsets,
                          .w = columns.gate_up,
                          .y = dgathered});  // [rows, hidden]
  MatmulWeightGradientGrouped(
      context, {.dy = drows, .x = activated, .offsets = kept.offsets, .dw = gradients.down});
  MatmulWeightGradientGrouped(
      context, {.dy = dgate_up, .x = gathered, .offsets = kept.offsets, .dw = gradients.gate_up});
  // What GatherRows dealt out comes together again, in the order of the choices.
  MoeCombine(context, {.y_rows = dgathered,
                       .row_of = row_of,
                       .weights = ones_.view({tokens, config_.moe.top_k}),
                       .y = dnormed_.view().Rows(0, tokens)});
}

// From the gradient of the shares, and the balance loss, to dnormed_ (+=) and the router's weights.
double ModelGradient::Router(Context& context, const TrainBatch& batch,
                             const MoeTensors<PackedMatrix>& columns, const LayerActivations& kept,
                             float balance, MoeTensors<Tensor>& gradients) {
  const MoeConfig& moe = config_.moe;
  const int64_t tokens = num_tokens_;
  const ConstTensorView logits = kept.moe.logits.view().Rows(0, tokens);
  const ConstTensorView experts = kept.moe.experts.view().Rows(0, tokens);
  const TensorView dlogits = dlogits_.view().Rows(0, tokens);
  const int64_t num_scores = tokens * moe.num_experts;
  dscores_.Reserve(context, num_scores);
  const double loss = BalanceLoss({.moe = moe,
                                   .logits = HostCopy(context, logits).view(),
                                   .experts = HostCopy(context, experts).view(),
                                   .cu_seqlens = batch.cu_seqlens,
                                   .scale = balance,
                                   .dscores = {dscores_.host(), Shape{tokens, moe.num_experts}}});
  dscores_.ToDevice(context, num_scores);
  MoeRouteBackward(context, {.logits = logits,
                             .score = moe.score,
                             .renormalise = moe.renormalise,
                             .experts = experts,
                             .dweights = dshares_.view().Rows(0, tokens),
                             .dscores = dscores_.view({tokens, moe.num_experts}),
                             .dlogits = dlogits});
  ConstTensorView routed = kept.ffn_normed.view().Rows(0, tokens);
  WorkspaceScope scratch(context.workspace);
  if (routed.dtype() != DType::kF32) {  // the router is f32
    const TensorView widened = scratch.TakeTensor(DType::kF32, routed.shape());
    Convert(context, {.x = routed, .y = widened});
    routed = widened;
  }
  Matmul(context, {.x = dlogits,
                   .x_scales = {},
                   .w = columns.router,
                   .y = dnormed_.view().Rows(0, tokens),
                   .output = MatmulOutput::kAdd});
  MatmulWeightGradient(context, {.dy = dlogits, .x = routed, .dw = gradients.router});
  return loss;
}

// The gradient of a block's output, which dropout has before it is added to the residual stream.
ConstTensorView ModelGradient::DroppedGradient(Context& context, const DropoutMask& mask) {
  const ConstTensorView dhidden = dhidden_.view().Rows(0, num_tokens_);
  if (!dropout_.is_active()) return dhidden;
  const TensorView dropped = dropped_.view().Rows(0, num_tokens_);
  DropOut(context, {.x = dhidden, .mask = mask, .y = dropped});
  return dropped;
}

// Of y = down(silu(gate) * up), with dy the gradient of y: dnormed (=, +=) that of its input.
void ModelGradient::FeedForward(Context& context, const FeedForwardTensors<PackedMatrix>& columns,
                                const FeedForwardActivations& kept, ConstTensorView dy,
                                ConstTensorView normed, TensorView dnormed, MatmulOutput output,
                                FeedForwardTensors<Tensor>& gradients) {
  const int64_t tokens = normed.dim(0), intermediate = columns.down.n();
  const ConstTensorView gate_up = kept.gate_up.view().Rows(0, tokens);
  const TensorView dactivated = Reshaped(dactivated_, DType::kF32, {tokens, intermediate});
  const TensorView dgate_up = Reshaped(dgate_up_, dgate_up_.dtype(), {tokens, 2 * intermediate});

  const ConstTensorView narrow = Narrow(context, dy, narrow_);  // [tokens, hidden]
  Matmul(context, {.x = narrow, .x_scales = {}, .w = columns.down, .y = dactivated});
  LinearGradients(context, dy, narrow, kept.activated.view().Rows(0, tokens), gradients.down,
                  gradients.down_bias);
  SiluMulBackward(context, {.gate_up = gate_up, .dy = dactivated, .dgate_up = dgate_up});
  WorkspaceScope scratch(context.workspace);
  ConstTensorView narrow_gate_up = dgate_up;  // [tokens, 2 * intermediate]
  if (dgate_up.dtype() != dtype_) {
    const TensorView rounded = scratch.TakeTensor(DType::kBf16, dgate_up.shape());
    Convert(context, {.x = dgate_up, .y = rounded});
    narrow_gate_up = rounded;
  }
  Matmul(context, {.x = narrow_gate_up,
                   .x_scales = {},
                   .w = columns.gate_up,
                   .y = dnormed,
                   .output = output});  // [tokens, hidden]
  LinearGradients(context, dgate_up, narrow_gate_up, normed, gradients.gate_up,
                  gradients.gate_up_bias);
}

// middle = input + output(attention(norm(input))): dhidden_ becomes the gradient of input.
void ModelGradient::AttentionBlock(Context& context, int64_t layer,
                                   AttentionTensors<Tensor>& gradients) {
  const AttentionTensors<PackedMatrix>& weights =
      weights_.compute().layers[static_cast<size_t>(layer)].attention;
  const AttentionTensors<PackedMatrix>& columns =
      weights_.columns().layers[static_cast<size_t>(layer)].attention;
  const LayerActivations& kept = transformer_.activations(layer);
  const TensorView dhidden = dhidden_.view().Rows(0, num_tokens_);
  const TensorView dattended = dattended_.view().Rows(0, num_tokens_);

  const DropoutMask mask(dropout_, DropoutPlace::kAttentionOutput, layer);
  const ConstTensorView dy = DroppedGradient(context, mask);
  const ConstTensorView narrow = Narrow(context, dy, narrow_);  // [tokens, hidden]
  Matmul(context, {.x = narrow, .x_scales = {}, .w = columns.output, .y = dattended});
  LinearGradients(context, dy, narrow, kept.attended.view().Rows(0, num_tokens_), gradients.output,
                  gradients.output_bias);
  AttentionCore(context, layer, gradients);  // dattended_ to dqkv_
  const TensorView dqkv = dqkv_.view().Rows(0, num_tokens_);
  const TensorView dnormed = dnormed_.view().Rows(0, num_tokens_);
  const ConstTensorView narrow_qkv = Narrow(context, dqkv, narrow_);
  Matmul(context, {.x = narrow_qkv, .x_scales = {}, .w = columns.qkv, .y = dnormed});
  LinearGradients(context, dqkv, narrow_qkv, kept.attention_normed.view().Rows(0, num_tokens_),
                  gradients.qkv, gradients.qkv_bias);
  RmsNormBackward(context, {.x = kept.input.view().Rows(0, num_tokens_),
                            .weight = weights.norm,
                            .eps = config_.norm_eps,
                            .dy = dnormed,
                            .dx = dhidden,
                            .dweight = gradients.norm});
}

// Through attention, RoPE and the norms of q and k.
void ModelGradient::AttentionCore(Context& context, int64_t layer,
                                  AttentionTensors<Tensor>& gradients) {
  const AttentionTensors<PackedMatrix>& weights =
      weights_.compute().layers[static_cast<size_t>(layer)].attention;
  const LayerActivations& kept = transformer_.activations(layer);
  const int64_t tokens = num_tokens_, dim = config_.head_dim;
  const TensorView dq = dq_.view().Rows(0, tokens);
  const TensorView dk = dk_.view().Rows(0, tokens);
  const TensorView dv = dv_.view().Rows(0, tokens);
  const Shape heads{tokens, config_.num_heads, dim};
  const AttentionBackwardArgs attention{.q = kept.q.view().Rows(0, tokens),
                                        .batch = tokens_.ragged(),
                                        .pool = pool_,
                                        .layer = layer,
                                        .scale = 1.0f / std::sqrt(static_cast<float>(dim)),
                                        .window = config_.windows[static_cast<size_t>(layer)],
                                        .y = kept.attended.view().Rows(0, tokens).Reshaped(heads),
                                        .statistics = kept.statistics.view().Rows(0, tokens),
                                        .dy = dattended_.view().Rows(0, tokens).Reshaped(heads),
                                        .dq = dq,
                                        .dk = dk,
                                        .dv = dv};
  if (dropout_.is_active()) {
    const DropoutMask mask(dropout_, DropoutPlace::kAttentionWeights, layer);
    DropoutAttentionBackward(context, {.attention = attention, .mask = mask});
  } else {
    AttentionBackward(context, attention);
  }
  for (const TensorView& d : {dq, dk}) {
    Rope(context, {.positions = tokens_.positions(),
                   .table = transformer_.rope(),
                   .x = d,
                   .direction = RopeDirection::kBackward});
  }
  if (config_.qk_norm) {
    const std::array parts = {q_before_.view().Rows(0, tokens), k_before_.view().Rows(0, tokens),
                              v_before_.view().Rows(0, tokens)};
    SplitColumns(context, {.x = kept.qkv.view().Rows(0, tokens), .parts = parts});
    const auto normed = [&](TensorView before, const Tensor& weight, TensorView d,
                            Tensor& dweight) {
      const Shape rows{tokens * d.dim(1), dim};
      RmsNormBackward(context, {.x = before.Reshaped(rows),
                                .weight = weight,
                                .eps = config_.norm_eps,
                                .dy = d.Reshaped(rows),
                                .dx = d.Reshaped(rows),
                                .output = GradientOutput::kStore,
                                .dweight = dweight});
    };
    normed(parts[0], weights.q_norm, dq, gradients.q_norm);
    normed(parts[1], weights.k_norm, dk, gradients.k_norm);
  }
  const std::array<ConstTensorView, 3> merged = {dq, dk, dv};
  MergeColumns(context, {.parts = merged, .x = dqkv_.view().Rows(0, tokens)});
}

// x [tokens, width] as a matmul reads it.
ConstTensorView ModelGradient::Narrow(Context& context, ConstTensorView x, Tensor& buffer) {
  if (x.dtype() == dtype_) return x;
  const TensorView narrow = Reshaped(buffer, dtype_, x.shape());
  Convert(context, {.x = x, .y = narrow});
  return narrow;
}

}  // namespace tandem
