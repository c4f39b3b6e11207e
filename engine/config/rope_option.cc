// The command line's --rope-scaling.

#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/config/model_config.h"
#include "engine/config/rope_reader.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// One key=value of the option: which forms it belongs to, its range and where it goes.
struct Parameter {
  std::string name;
  double min;
  double max;
  bool (*applies)(RopeScaling);
  void (*set)(RopeConfig&, double);
};

bool IsYarn(RopeScaling scaling) {
  return scaling == RopeScaling::kYarn || scaling == RopeScaling::kYarnMiniMind ||
         scaling == RopeScaling::kYarnTutorial;
}
bool IsLlama3(RopeScaling scaling) { return scaling == RopeScaling::kLlama3; }

const std::vector<Parameter>& Parameters() {
  static const std::vector<Parameter> parameters{
      {"factor", 1.0, kMaxRopeFactor, [](RopeScaling) { return true; },
       [](RopeConfig& rope, double value) { rope.factor = value; }},
      {"original", 1.0, static_cast<double>(kMaxPositions), [](RopeScaling) { return true; },
       [](RopeConfig& rope, double value) {
         rope.original_max_positions = static_cast<int64_t>(value);
       }},
      {"low_freq_factor", 1e-3, 1e6, IsLlama3,
       [](RopeConfig& rope, double value) { rope.low_freq_factor = value; }},
      {"high_freq_factor", 1e-3, 1e6, IsLlama3,
       [](RopeConfig& rope, double value) { rope.high_freq_factor = value; }},
      {"beta_fast", 1e-3, 1e6, IsYarn,
       [](RopeConfig& rope, double value) { rope.beta_fast = value; }},
      {"beta_slow", 1e-3, 1e6, IsYarn,
       [](RopeConfig& rope, double value) { rope.beta_slow = value; }},
      {"attention_factor", 1e-3, 1e3, IsYarn,
       [](RopeConfig& rope, double value) { rope.attention_factor = value; }},
      {"truncate", 0.0, 1.0, IsYarn,
       [](RopeConfig& rope, double value) { rope.truncate = value != 0.0; }},
  };
  return parameters;
}

[[noreturn]] void Fail(std::string_view option, const std::string& what) {
  throw ConfigError("--rope-scaling " + Quoted(option, 200) + ": " + what);
}

double ParseNumber(std::string_view option, const Parameter& parameter, std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(value >= parameter.min && value <= parameter.max)) {
    Fail(option, parameter.name + " is " + Quoted(text, 60) + ", expected a number from " +
                     std::to_string(parameter.min) + " to " + std::to_string(parameter.max));
  }
  return value;
}

void ApplyParameter(std::string_view option, std::string_view assignment, RopeConfig& rope) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    Fail(option, Quoted(assignment, 60) + " is not key=value");
  }
  const std::string_view name = assignment.substr(0, equals);
  std::vector<std::string> known;
  for (const Parameter& parameter : Parameters()) {
    if (!parameter.applies(rope.scaling)) continue;
    known.push_back(parameter.name);
    if (parameter.name != name) continue;
    parameter.set(rope, ParseNumber(option, parameter, assignment.substr(equals + 1)));
    return;
  }
  Fail(option, std::string(Name(rope.scaling)) + " has no parameter " + Quoted(name, 60) +
                   DidYouMean(name, known));
}

RopeScaling ParseKind(std::string_view option, std::string_view name) {
  const std::optional<RopeScaling> kind = RopeScalingNamed(name);
  if (kind) return *kind;
  const std::vector<std::string> known{"none", "linear",        "llama3",
                                       "yarn", "yarn-minimind", "yarn-tutorial"};
  Fail(option, "unknown form " + Quoted(name, 60) + ", expected none, linear, llama3, yarn, " +
                   "yarn-minimind or yarn-tutorial" + DidYouMean(name, known));
}

void CheckConsistent(std::string_view option, const RopeConfig& rope, bool has_factor) {
  if (rope.scaling != RopeScaling::kNone && rope.factor == 1.0 && !has_factor) {
    Fail(option, "factor is missing");
  }
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    Fail(option, "high_freq_factor is not above low_freq_factor");
  }
  if (rope.beta_fast <= rope.beta_slow) Fail(option, "beta_fast is not above beta_slow");
}

}  // namespace

void ApplyRopeScaling(std::string_view option, ModelConfig& config) {
  const size_t colon = std::min(option.find(':'), option.size());
  RopeConfig rope = config.rope;
  SetScalingDefaults(ParseKind(option, option.substr(0, colon)), rope);
  std::string_view rest = option.substr(std::min(colon + 1, option.size()));
  if (rope.scaling == RopeScaling::kNone && !rest.empty()) {
    Fail(option, "none has no parameters");
  }
  bool has_factor = false;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    has_factor = has_factor || rest.starts_with("factor=");
    ApplyParameter(option, rest.substr(0, comma), rope);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  CheckConsistent(option, rope, has_factor);
  if (rope.scaling != RopeScaling::kNone) {
    // The length the weights were trained for: what the config scaled from, or all of it.
    if (rope.original_max_positions == 0) {
      rope.original_max_positions = config.rope.original_max_positions > 0
                                        ? config.rope.original_max_positions
                                        : config.rope.max_positions;
    }
    Lengthen(rope);
  }
  config.rope = rope;
}

}  // namespace tandem
