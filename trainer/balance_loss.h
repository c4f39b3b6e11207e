#pragma once
// The auxiliary loss that keeps a mixture's experts evenly used (Switch Transformer, Fedus et al.,
// 2021, section 2.2, as MiniMind computes it).
//
//   over the batch    coef * E * sum over e of load_e * mean score_e,  load_e: share of all choices
//   by the sequence   coef * mean over sequences of sum over e of (count_e * E / (S * top_k)) *
//                     mean score_e, count and mean of the sequence's S tokens
//
// Loads are counts and have no gradient; scores have.

#include <cstdint>
#include <span>

#include "engine/config/model_config.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct BalanceLossArgs {
  const MoeConfig& moe;
  ConstTensorView logits;               // [tokens, num_experts], f32
  ConstTensorView experts;              // [tokens, top_k], i32
  std::span<const int32_t> cu_seqlens;  // [sequences + 1]
  float scale = 1.0f;                   // of the gradient
  TensorView dscores;                   // [tokens, num_experts], f32; =
};

// The loss, unscaled.
double BalanceLoss(const BalanceLossArgs& args);

}  // namespace tandem
