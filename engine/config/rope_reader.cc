#include "engine/config/rope_reader.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/base/printable.h"
#include "engine/config/architecture.h"

namespace tandem {
namespace {

struct NamedScaling {
  std::string_view name;
  RopeScaling scaling;
};
constexpr std::array<NamedScaling, 6> kScalings{{
    {"none", RopeScaling::kNone},
    {"linear", RopeScaling::kLinear},
    {"llama3", RopeScaling::kLlama3},
    {"yarn", RopeScaling::kYarn},
    {"yarn-minimind", RopeScaling::kYarnMiniMind},
    {"yarn-tutorial", RopeScaling::kYarnTutorial},
}};

constexpr NumberRange kFactorRange{1.0, kMaxRopeFactor};
constexpr NumberRange kPositive{1e-6, 1e6};

bool IsMiniMind(Architecture architecture) {
  return architecture == Architecture::kMiniMind || architecture == Architecture::kMiniMind2;
}

// Peng et al. (2023), equation 22, with DeepSeek's multiplier.
double YarnAmplitude(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// The oldest MiniMind files do not say: 16 query heads over 8 went with 1e4, 8 over 2 with 1e6.
double DefaultTheta(JsonFields& fields, Architecture architecture) {
  if (architecture == Architecture::kMiniMind2 && fields.Has("n_heads") &&
      fields.Int("n_heads") == 16 && fields.Int("n_kv_heads") == 8) {
    return 1e4;
  }
  return DefaultsOf(architecture).rope_theta;
}

// rope_type, or "type" in older files; "default" when there is neither.
std::string TypeOf(JsonFields& scaling) {
  if (scaling.Has("rope_type")) return scaling.String("rope_type").value_or("default");
  return scaling.String("type").value_or("default");
}

std::optional<RopeScaling> ScalingOf(JsonFields& scaling, Architecture architecture) {
  const std::string type = TypeOf(scaling);
  if (type == "default") return RopeScaling::kNone;
  if (type == "yarn" && IsMiniMind(architecture)) return RopeScaling::kYarnMiniMind;
  const std::optional<RopeScaling> named = RopeScalingNamed(type);
  if (!named) {
    scaling.AddProblem("rope_type",
                       "is " + Quoted(type, 60) + ", supported: default, linear, llama3, yarn");
  }
  return named;
}

// Nothing but zero or an absent field leaves the default (as the reference reads them).
void ReadPositive(JsonFields& fields, std::string_view name, double& value) {
  const double read = fields.Number(name, {0.0, kPositive.max}).value_or(0.0);
  if (read > 0.0) value = read;
}

void ReadYarn(JsonFields& scaling, RopeConfig& rope) {
  ReadPositive(scaling, "beta_fast", rope.beta_fast);
  ReadPositive(scaling, "beta_slow", rope.beta_slow);
  ReadPositive(scaling, "attention_factor", rope.attention_factor);
  rope.truncate = scaling.Bool("truncate").value_or(true);
  const double mscale = scaling.Number("mscale", {0.0, 1e3}).value_or(0.0);
  const double mscale_all = scaling.Number("mscale_all_dim", {0.0, 1e3}).value_or(0.0);
  if (rope.scaling == RopeScaling::kYarn && rope.attention_factor == 0.0 && mscale > 0.0 &&
      mscale_all > 0.0) {
    rope.attention_factor =
        YarnAmplitude(rope.factor, mscale) / YarnAmplitude(rope.factor, mscale_all);
  }
  if (rope.beta_fast <= rope.beta_slow) scaling.AddProblem("beta_fast", "is not above beta_slow");
}

void ReadLlama3(JsonFields& scaling, RopeConfig& rope) {
  ReadPositive(scaling, "low_freq_factor", rope.low_freq_factor);
  ReadPositive(scaling, "high_freq_factor", rope.high_freq_factor);
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    scaling.AddProblem("high_freq_factor", "is not above low_freq_factor");
  }
}

void ReadFactor(JsonFields& scaling, RopeConfig& rope) {
  if (scaling.Has("factor")) {
    rope.factor = scaling.Number("factor", kFactorRange).value_or(1.0);
  } else if (rope.scaling == RopeScaling::kYarn && rope.original_max_positions > 0) {
    rope.factor = std::max(1.0, static_cast<double>(rope.max_positions) /
                                    static_cast<double>(rope.original_max_positions));
  } else if (rope.factor == 1.0) {
    scaling.AddProblem("factor", "is missing");
  }
}

void ReadScaling(JsonFields& fields, JsonFields& scaling, RopeScaling kind, RopeConfig& rope) {
  const IntRange positions{1, kMaxPositions};
  SetScalingDefaults(kind, rope);
  if (kind == RopeScaling::kNone) return;
  // Some authors write it beside the scaling; transformers lets that one win.
  const char* original = "original_max_position_embeddings";
  if (auto inner = scaling.Int(original, positions)) rope.original_max_positions = *inner;
  if (auto outer = fields.Int(original, positions)) rope.original_max_positions = *outer;
  ReadFactor(scaling, rope);
  switch (kind) {
    case RopeScaling::kNone:
      break;
    case RopeScaling::kLinear:
      rope.original_max_positions = 0;
      break;
    case RopeScaling::kLlama3:
      ReadLlama3(scaling, rope);
      break;
    case RopeScaling::kYarn:
    case RopeScaling::kYarnMiniMind:
    case RopeScaling::kYarnTutorial:
      ReadYarn(scaling, rope);
      break;
  }
  if (kind != RopeScaling::kLinear && rope.original_max_positions == 0) {
    rope.original_max_positions = rope.max_positions;
  }
  // Linear and llama3 files give the lengthened context as max_position_embeddings; yarn files
  // often give the original one.
  if (kind != RopeScaling::kLinear && kind != RopeScaling::kLlama3) Lengthen(rope);
}

void RefusePartialRotary(JsonFields& fields) {
  const char* name = "partial_rotary_factor";
  const std::optional<double> partial = fields.Number(name);
  if (partial && *partial != 1.0) fields.AddProblem(name, "other than 1 is not supported");
}

bool HoldsObjects(const Json& object) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) return true;
  }
  return false;
}

}  // namespace

std::string_view Name(RopeScaling scaling) {
  for (const NamedScaling& named : kScalings) {
    if (named.scaling == scaling) return named.name;
  }
  return "?";
}

std::optional<RopeScaling> RopeScalingNamed(std::string_view name) {
  for (const NamedScaling& named : kScalings) {
    if (named.name == name) return named.scaling;
  }
  return std::nullopt;
}

void SetScalingDefaults(RopeScaling scaling, RopeConfig& rope) {
  const RopeConfig fresh;
  rope.scaling = scaling;
  rope.factor = fresh.factor;
  rope.original_max_positions = fresh.original_max_positions;
  rope.low_freq_factor = fresh.low_freq_factor;
  rope.high_freq_factor = fresh.high_freq_factor;
  rope.beta_fast = fresh.beta_fast;
  rope.beta_slow = fresh.beta_slow;
  rope.attention_factor = fresh.attention_factor;
  rope.truncate = fresh.truncate;
  if (scaling == RopeScaling::kYarnMiniMind) {
    rope.factor = 16.0;
    rope.original_max_positions = 2048;
  } else if (scaling == RopeScaling::kYarnTutorial) {
    rope.factor = 4.0;
    rope.beta_fast = 4.0;
    rope.original_max_positions = 2048;
  }
}

void Lengthen(RopeConfig& rope) {
  const double longer = static_cast<double>(rope.original_max_positions) * rope.factor;
  const double limited = std::min(longer, static_cast<double>(kMaxPositions));
  rope.max_positions = std::max(rope.max_positions, static_cast<int64_t>(limited));
}

RopeConfig ReadRope(JsonFields& fields, Architecture architecture, int64_t head_dim) {
  const NumberRange theta_range{1.0, 1e12};
  RopeConfig rope{.head_dim = head_dim};
  const char* positions = fields.Has("max_position_embeddings")      ? "max_position_embeddings"
                          : architecture == Architecture::kMiniMind2 ? "max_seq_len"
                                                                     : "max_position_embeddings";
  rope.max_positions =
      fields.Int(positions, {1, kMaxPositions}).value_or(DefaultsOf(architecture).max_positions);
  rope.theta =
      fields.Number("rope_theta", theta_range).value_or(DefaultTheta(fields, architecture));
  RefusePartialRotary(fields);
  const char* name = fields.Has("rope_scaling") ? "rope_scaling" : "rope_parameters";
  std::optional<JsonFields> scaling = fields.Object(name);
  if (scaling && HoldsObjects(*fields.Find(name))) {
    fields.AddProblem(name, "differs by layer type, which is not supported");
    return rope;
  }
  if (scaling) {
    RefusePartialRotary(*scaling);
    rope.theta = scaling->Number("rope_theta", theta_range).value_or(rope.theta);
  }
  const std::optional<bool> flag =
      IsMiniMind(architecture) ? fields.Bool("inference_rope_scaling") : std::nullopt;
  if (flag == false) return rope;
  if (flag == true) {
    const Json none = Json::object();
    JsonFields empty(none, "");
    ReadScaling(fields, scaling ? *scaling : empty, RopeScaling::kYarnMiniMind, rope);
  } else if (scaling) {
    const std::optional<RopeScaling> kind = ScalingOf(*scaling, architecture);
    if (kind) ReadScaling(fields, *scaling, *kind, rope);
  }
  return rope;
}

}  // namespace tandem
