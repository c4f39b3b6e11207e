#include "engine/model/activations.h"

#include <algorithm>

namespace tandem {
namespace {

struct Sizes {
  int64_t dense = 0;  // intermediate sizes; 0: there is none
  int64_t moe = 0;
};

FeedForwardActivations FeedForwardFor(int64_t rows, int64_t intermediate, DType activation) {
  return {.gate_up = Tensor(DType::kF32, {rows, 2 * intermediate}),
          .activated = Tensor(activation, {rows, intermediate})};
}

MoeActivations MoeFor(const ModelConfig& config, int64_t tokens, DType activation, DType input,
                      Keep keep) {
  const MoeConfig& moe = config.moe;
  const int64_t rows = tokens * moe.top_k;
  MoeActivations made{.logits = Tensor(DType::kF32, {tokens, moe.num_experts}),
                      .experts = Tensor(DType::kI32, {tokens, moe.top_k}),
                      .shares = Tensor(DType::kF32, {tokens, moe.top_k}),
                      .offsets = Tensor(DType::kI32, {moe.num_experts + 1}),
                      .row_of = Tensor(DType::kI32, {tokens, moe.top_k}),
                      .token_of = Tensor(DType::kI32, {rows}),
                      .gathered = Tensor(input, {rows, config.hidden_size}),
                      .routed = FeedForwardFor(rows, moe.intermediate_size, activation),
                      .output = Tensor(DType::kF32, {rows, config.hidden_size}),
                      .shared = {}};
  const int64_t num_shared =
      keep != Keep::kNothing ? moe.num_shared : std::min<int64_t>(moe.num_shared, 1);
  for (int64_t i = 0; i < num_shared; ++i) {
    made.shared.push_back(FeedForwardFor(tokens, moe.intermediate_size, activation));
  }
  return made;
}

LayerActivations LayerFor(const ModelConfig& config, int64_t tokens, DType activation, DType input,
                          Keep keep, const Sizes& sizes) {
  const int64_t heads = config.num_heads, dim = config.head_dim, hidden = config.hidden_size;
  LayerActivations made;
  made.attention_normed = Tensor(activation, {tokens, hidden});
  made.qkv = Tensor(DType::kF32, {tokens, (heads + 2 * config.num_kv_heads) * dim});
  made.q = Tensor(DType::kF32, {tokens, heads, dim});
  made.attended = Tensor(activation, {tokens, heads * dim});
  if (keep != Keep::kNothing) {
    made.input = Tensor(DType::kF32, {tokens, hidden});
    made.statistics = Tensor(DType::kF32, {tokens, heads, 2});
    made.middle = Tensor(DType::kF32, {tokens, hidden});
    made.ffn_normed = Tensor(activation, {tokens, hidden});
  }
  if (sizes.dense > 0) made.dense = FeedForwardFor(tokens, sizes.dense, activation);
  if (sizes.moe > 0) made.moe = MoeFor(config, tokens, activation, input, keep);
  return made;
}

}  // namespace

std::vector<LayerActivations> AllocateActivations(const ModelConfig& config, int64_t max_tokens,
                                                  DType activation, DType input, Keep keep) {
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
      all.push_back(LayerFor(config, max_tokens, activation, input, keep, sizes));
    }
  }
  if (keep != Keep::kForBackward) {
    all.push_back(LayerFor(config, max_tokens, activation, input, keep, any));
  }
  return all;
}

}  // namespace tandem
