#pragma once
// What a model is: every number of its architecture, read once from config.json and immutable
// after. One transformer (engine/model/transformer) runs all of them; the fields below are its
// switches.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/moe.h"
#include "kernels/norm.h"
#include "kernels/rope.h"

namespace tandem {

// Decides tensor names and defaults, not the forward pass.
enum class Architecture : uint8_t {
  kLlama,
  kMistral,
  kQwen2,
  kQwen3,
  kQwen3Moe,
  kMiniMind,   // minimind-3: Qwen3 shape
  kMiniMind2,  // second generation: Llama shape, optional MoE with shared experts
};

std::string_view Name(Architecture architecture);

struct MoeConfig {
  int64_t num_experts = 0;  // 0: dense
  int64_t top_k = 0;
  int64_t num_shared = 0;         // shared experts, summed, added last
  int64_t intermediate_size = 0;  // of one routed expert (and of one shared expert)
  MoeScore score = MoeScore::kSoftmax;
  bool renormalise = true;
  std::vector<bool> sparse_layers;  // [num_layers]: true where the layer is a mixture
  // What the checkpoint's authors trained the router's balance with; only a trainer reads these.
  double aux_loss_coef = 0.0;
  bool aux_loss_per_sequence = false;  // MiniMind2's seq_aux
  friend bool operator==(const MoeConfig&, const MoeConfig&) = default;
};

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;  // dense layers
  int64_t vocab_size = 0;
  float norm_eps = 1e-5f;
  NormCast norm_cast = NormCast::kBeforeWeight;
  bool qk_norm = false;      // RMSNorm per head on q and k before RoPE
  bool qkv_bias = false;     // Qwen2
  bool output_bias = false;  // attention_bias of Llama: also on o_proj
  bool mlp_bias = false;
  bool tie_embeddings = false;
  RopeConfig rope;               // max_positions: the context the model is used with
  std::vector<int64_t> windows;  // [num_layers]: sliding window of each layer, 0 for full attention
  MoeConfig moe;
  std::optional<int32_t> bos_id;
  std::vector<int32_t> eos_ids;  // any of them ends a sequence
  std::optional<int32_t> pad_id;

  int64_t max_context() const { return rope.max_positions; }
  bool is_sparse(int64_t layer) const {
    return moe.num_experts > 0 && moe.sparse_layers[static_cast<size_t>(layer)];
  }
  int64_t num_parameters() const;  // tied embeddings counted once
  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

// Reads <directory>/config.json. FormatError lists everything wrong with it at once.
ModelConfig ReadModelConfig(const std::filesystem::path& directory);
// The same from text; `where` names it in messages.
ModelConfig ParseModelConfig(std::string_view json, const std::string& where);

// The text of a config.json that ParseModelConfig reads as the same config; for the architectures
// that Hugging Face knows, its field names. `weights` is the element type the checkpoint is stored
// in.
std::string FormatModelConfig(const ModelConfig& config, DType weights);

// --rope-scaling "none", "linear:factor=2", "yarn:factor=4[,original=2048,...]",
// "yarn-minimind:...", "yarn-tutorial:...", "llama3:...": replaces the config's scaling at run
// time. A factor lengthens max_positions to original * factor unless the config's is longer
// already. Keys: factor, original, attention_factor, beta_fast, beta_slow, truncate (yarn forms),
// low_freq_factor, high_freq_factor (llama3). Throws ConfigError.
void ApplyRopeScaling(std::string_view option, ModelConfig& config);

// Defaults that generation_config.json asks for; absent fields stay empty.
struct GenerationConfig {
  std::vector<int32_t> eos_ids;
  std::optional<int32_t> bos_id;
  std::optional<float> temperature;
  std::optional<float> top_p;
  std::optional<int32_t> top_k;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
};

// An absent file gives empty defaults.
GenerationConfig ReadGenerationConfig(const std::filesystem::path& directory);

}  // namespace tandem
