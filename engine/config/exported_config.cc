#include "engine/config/exported_config.h"

#include <algorithm>
#include <string>

#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

bool IsMiniMindScaling(RopeScaling scaling) {
  return scaling == RopeScaling::kYarnMiniMind || scaling == RopeScaling::kYarnTutorial;
}

// Theirs apply only where the table is longer than the original one.
bool IsInUse(const RopeConfig& rope) {
  if (rope.scaling == RopeScaling::kNone) return false;
  return !IsMiniMindScaling(rope.scaling) || rope.original_max_positions == 0 ||
         rope.max_positions > rope.original_max_positions;
}

RopeConfig Unscaled(const RopeConfig& rope) {
  return {.head_dim = rope.head_dim, .theta = rope.theta, .max_positions = rope.max_positions};
}

[[noreturn]] void Refuse(const std::string& what, const std::string& who, const std::string& way) {
  throw ConfigError("the model has " + what + ", which " + who + "; " + way);
}

bool HasWindows(const ModelConfig& config) {
  return std::ranges::any_of(config.windows, [](int64_t window) { return window > 0; });
}

Architecture TransformersArchitecture(const ModelConfig& config) {
  const bool has_experts = config.moe.num_experts > 0;
  if (config.qk_norm) return has_experts ? Architecture::kQwen3Moe : Architecture::kQwen3;
  if (!has_experts) return Architecture::kLlama;
  Refuse("experts without q and k norm (MiniMind2's mixture)",
         "no architecture of transformers computes", "use --format minimind2, or same");
}

void CheckMixture(const MoeConfig& moe) {
  if (moe.num_shared > 0) {
    Refuse(std::to_string(moe.num_shared) + " shared experts",
           "no architecture of transformers computes", "use --format minimind2, or same");
  }
  if (moe.num_experts > 0 && moe.score != MoeScore::kSoftmax) {
    Refuse("experts scored by a sigmoid", "transformers' Qwen3-MoE does not compute",
           "use --format same");
  }
}

}  // namespace

ModelConfig ForTransformers(const ModelConfig& config) {
  ModelConfig exported = config;
  if (config.architecture != Architecture::kMiniMind &&
      config.architecture != Architecture::kMiniMind2) {
    return exported;
  }
  CheckMixture(config.moe);
  exported.architecture = TransformersArchitecture(config);
  if (!IsMiniMindScaling(config.rope.scaling)) return exported;
  if (IsInUse(config.rope)) {
    Refuse("MiniMind's own YaRN in use", "transformers does not compute",
           "set inference_rope_scaling to false in its config.json, or use --format same");
  }
  exported.rope = Unscaled(config.rope);
  return exported;
}

ModelConfig ForMiniMind(const ModelConfig& config, Architecture generation) {
  CHECK(generation == Architecture::kMiniMind || generation == Architecture::kMiniMind2);
  const bool is_third = generation == Architecture::kMiniMind;
  const std::string who = is_third ? "minimind-3 does not know" : "MiniMind2 does not know";
  const std::string way = "use --format huggingface";
  if (config.qk_norm != is_third) {
    Refuse(config.qk_norm ? "q and k norm" : "no q and k norm",
           is_third ? "minimind-3 cannot do without" : who,
           is_third ? "use --format minimind2" : "use --format minimind");
  }
  if (config.qkv_bias || config.output_bias || config.mlp_bias) Refuse("biases", who, way);
  if (!config.tie_embeddings) {
    Refuse("an output head of its own", "MiniMind shares with the embedding", way);
  }
  if (HasWindows(config)) Refuse("attention windows", who, way);
  if (IsInUse(config.rope) && config.rope.scaling != RopeScaling::kYarnMiniMind) {
    Refuse("a RoPE scaling other than MiniMind's", who, way);
  }
  const MoeConfig& moe = config.moe;
  if (moe.num_experts > 0) {
    if (is_third && moe.num_shared > 0) Refuse("shared experts", who, "use --format minimind2");
    if (std::ranges::find(moe.sparse_layers, false) != moe.sparse_layers.end()) {
      Refuse("dense layers between mixtures", who, way);
    }
  }
  ModelConfig exported = config;
  exported.architecture = generation;
  exported.windows.assign(static_cast<size_t>(config.num_layers), 0);
  if (!IsInUse(config.rope)) exported.rope = Unscaled(config.rope);
  return exported;
}

}  // namespace tandem
