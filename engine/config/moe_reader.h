#pragma once
// The mixture-of-experts part of config.json. Used by ParseModelConfig only.

#include "engine/base/json.h"
#include "engine/config/model_config.h"

namespace tandem {

inline constexpr int64_t kMaxIntermediateSize = int64_t{1} << 20;

// Reads what the architecture of `config` may have; its sizes are read before. Notes problems.
MoeConfig ReadMoe(JsonFields& fields, const ModelConfig& config);

}  // namespace tandem
