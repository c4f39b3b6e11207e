#pragma once
// minimind-3 in other sizes, as its scripts choose them: by --hidden_size, --num_hidden_layers and
// --use_moe. Pure functions.

#include <cstdint>
#include <optional>

#include "engine/config/model_config.h"

namespace tandem {

struct MiniMindShape {
  std::optional<int64_t> hidden_size;  // 768
  std::optional<int64_t> num_layers;   // 8
  std::optional<int64_t> use_moe;      // 0; 1: four experts, one a token

  bool is_given() const { return hidden_size || num_layers || use_moe; }
};

// What is not given is as in MiniMind. Throws ConfigError for a width that eight heads cannot
// share.
ModelConfig ConfigOf(const MiniMindShape& shape);

// Throws ConfigError, naming everything that `config` has otherwise.
void CheckAgrees(const MiniMindShape& shape, const ModelConfig& config);

}  // namespace tandem
