#pragma once
// A model's config for those who are to read its export: the same numbers under an architecture
// that they know. Pure functions; each throws ConfigError that says what stands in the way.

#include "engine/config/model_config.h"

namespace tandem {

// As transformers knows it, without code of the model's own: minimind-3 is a Qwen3 (or Qwen3-MoE),
// a dense MiniMind2 a Llama. Others are themselves. MiniMind2's shared experts, and a MiniMind YaRN
// that is in use, have no counterpart there.
ModelConfig ForTransformers(const ModelConfig& config);

// As MiniMind's own code of that generation (kMiniMind or kMiniMind2) computes it.
ModelConfig ForMiniMind(const ModelConfig& config, Architecture generation);

}  // namespace tandem
