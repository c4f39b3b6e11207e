#include "engine/model/activations.h"

#include <algorithm>
#include <initializer_list>

namespace tandem {
namespace {

struct Sizes {
  int64_t dense = 0;  // intermediate sizes; 0: there is none
  int64_t moe = 0;
};

FeedForwardActivations FeedForwardFor(int64_t rows, int64_t intermediate, DType activation,
                                      Device device) {
  return {.gate_up = Tensor(DType::kF32, {rows, 2 * intermediate}, device),
          .activated = Tensor(activation, {rows, intermediate}, device)};
}

MoeActivations MoeFor(const ModelConfig& config, int64_t tokens, DType activation, Keep keep,
                      Device device) {
  const MoeConfig& moe = config.moe;
  const int64_t rows = tokens * moe.top_k;
  MoeActivations made{
      .logits = Tensor(DType::kF32, {tokens, moe.num_experts}, device),
      .experts = Tensor(DType::kI32, {tokens, moe.top_k}, device),
      .shares = Tensor(DType::kF32, {tokens, moe.top_k}, device),
      .offsets = Tensor(DType::kI32, {moe.num_experts + 1}, device),
      .row_of = Tensor(DType::kI32, {tokens, moe.top_k}, device),
      .token_of = Tensor(DType::kI32, {rows}, device),
      .routed = {.activated = Tensor(activation, {rows, moe.intermediate_size}, device)},
      .output = Tensor(DType::kF32, {rows, config.hidden_size}, device),
      .shared = {}};
  if (keep != Keep::kNothing) {
    made.gathered = Tensor(activation, {rows, config.hidden_size}, device);
    made.routed.gate_up = Tensor(DType::kF32, {rows, 2 * moe.intermediate_size}, device);
  }
  const int64_t num_shared =
      keep != Keep::kNothing ? moe.num_shared : std::min<int64_t>(moe.num_shared, 1);
  for (int64_t i = 0; i < num_shared; ++i) {
    made.shared.push_back(FeedForwardFor(tokens, moe.intermediate_size, activation, device));
  }
  return made;
}

LayerActivations LayerFor(const ModelConfig& config, int64_t tokens, DType activation, Keep keep,
                          Device device, const Sizes& sizes) {
  const int64_t heads = config.num_heads, dim = config.head_dim, hidden = config.hidden_size;
  LayerActivations made;
  made.attention_normed = Tensor(activation, {tokens, hidden}, device);
  made.qkv = Tensor(DType::kF32, {tokens, (heads + 2 * config.num_kv_heads) * dim}, device);
  made.q = Tensor(DType::kF32, {tokens, heads, dim}, device);
  made.attended = Tensor(activation, {tokens, heads * dim}, device);
  if (keep != Keep::kNothing) {
    made.input = Tensor(DType::kF32, {tokens, hidden}, device);
    made.statistics = Tensor(DType::kF32, {tokens, heads, 2}, device);
    made.middle = Tensor(DType::kF32, {tokens, hidden}, device);
    made.ffn_normed = Tensor(activation, {tokens, hidden}, device);
  }
  if (sizes.dense > 0) made.dense = FeedForwardFor(tokens, sizes.dense, activation, device);
  if (sizes.moe > 0) made.moe = MoeFor(config, tokens, activation, keep, device);
  return made;
}

}  // namespace

std::vector<LayerActivations> AllocateActivations(const ModelConfig& config, int64_t max_tokens,
                                                  DType activation, Keep keep, Device device) {
  std::vector<LayerActivations> all;
  Sizes any;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    Sizes sizes;
    if (config.is_sparse(layer)) {
      any.moe = sizes.moe = config.moe.intermediate_size;
    } else {
      any.dense = sizes.dense = config.intermediate_size;
    }
    if (keep == Keep::kForBackward) {
      all.push_back(LayerFor(config, max_tokens, activation, keep, device, sizes));
    }
  }
  if (keep != Keep::kForBackward) {
    all.push_back(LayerFor(config, max_tokens, activation, keep, device, any));
  }
  return all;
}

int64_t ActivationBytes(const std::vector<LayerActivations>& layers) {
  int64_t total = 0;
  const auto add = [&](std::initializer_list<const Tensor*> tensors) {
    for (const Tensor* tensor : tensors) total += tensor->size_bytes();
  };
  for (const LayerActivations& layer : layers) {
    const MoeActivations& moe = layer.moe;
    add({&layer.input, &layer.attention_normed, &layer.qkv, &layer.q, &layer.statistics,
         &layer.attended, &layer.middle, &layer.ffn_normed, &layer.dense.gate_up,
         &layer.dense.activated});
    add({&moe.logits, &moe.experts, &moe.shares, &moe.offsets, &moe.row_of, &moe.token_of,
         &moe.gathered, &moe.routed.gate_up, &moe.routed.activated, &moe.output});
    for (const FeedForwardActivations& shared : moe.shared) {
      add({&shared.gate_up, &shared.activated});
    }
  }
  return total;
}

}  // namespace tandem
