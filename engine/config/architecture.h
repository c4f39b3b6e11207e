#pragma once
// Which of our architectures a config.json describes, and what that architecture assumes where the
// file is silent. Used by ParseModelConfig only.

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/json.h"
#include "engine/config/model_config.h"

namespace tandem {

// Defaults as in transformers 5 (configuration_<model>.py) and in MiniMind's model files.
struct ArchitectureDefaults {
  std::string_view model_type;          // as in config.json
  std::string_view class_name;          // the same in "architectures"
  std::optional<int64_t> num_kv_heads;  // none: as many as heads
  std::optional<int64_t> head_dim;      // none: hidden_size / heads
  int64_t max_positions = 32768;
  double norm_eps = 1e-6;
  double rope_theta = 10000.0;
  bool tie_embeddings = false;
  bool qk_norm = false;
};

const ArchitectureDefaults& DefaultsOf(Architecture architecture);

// By model_type, else by "architectures". Notes a problem (and returns kLlama) when neither is
// known.
//
// MiniMind's generations share a model_type. An explicit boolean "qk_norm" decides (true:
// minimind-3); else the fields that only one generation's config class has, all of which it always
// writes: n_routed_experts, n_shared_experts, scoring_func, aux_loss_alpha, seq_aux or the oldest
// names (dim, n_layers) mean MiniMind2; num_experts, moe_intermediate_size, router_aux_loss_coef
// mean minimind-3. Both: a problem; neither: minimind-3. A checkpoint that disagrees fails in the
// loader by its names.
Architecture DetectArchitecture(JsonFields& fields);

}  // namespace tandem
