#pragma once
// Rotary embedding settings from config.json: the older form (rope_theta, rope_scaling), the newer
// one (rope_parameters), and MiniMind's flag. Used by ParseModelConfig only.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/json.h"
#include "engine/config/model_config.h"
#include "kernels/rope.h"

namespace tandem {

inline constexpr int64_t kMaxPositions = int64_t{1} << 27;
inline constexpr double kMaxRopeFactor = 4096.0;

// The name of a scaling in config.json's rope_type and in --rope-scaling.
std::string_view Name(RopeScaling scaling);
std::optional<RopeScaling> RopeScalingNamed(std::string_view name);

// What a form assumes for the parameters that are not given.
void SetScalingDefaults(RopeScaling scaling, RopeConfig& rope);
// max_positions becomes original * factor where that is longer, at most kMaxPositions.
void Lengthen(RopeConfig& rope);

// `head_dim` and defaults are set by the caller; notes problems.
RopeConfig ReadRope(JsonFields& fields, Architecture architecture, int64_t head_dim);

}  // namespace tandem
