// Frequencies of rotary embeddings and the scalings that extend a context. f32 where the reference
// implementations compute in f32, so that angles at large positions agree; bounds of ramps in
// double.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "kernels/rope.h"

namespace tandem {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

bool IsYarn(RopeScaling scaling) {
  return scaling == RopeScaling::kYarn || scaling == RopeScaling::kYarnMiniMind ||
         scaling == RopeScaling::kYarnTutorial;
}

double OriginalPositions(const RopeConfig& config) {
  return static_cast<double>(config.original_max_positions > 0 ? config.original_max_positions
                                                               : config.max_positions);
}

// theta^(2 i / d), the power correctly rounded to f32.
std::vector<float> Periods(const RopeConfig& config) {
  std::vector<float> periods(static_cast<size_t>(config.head_dim / 2));
  for (size_t i = 0; i < periods.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    periods[i] = static_cast<float>(std::pow(config.theta, static_cast<double>(exponent)));
  }
  return periods;
}

// The pair (not rounded) that turns `rotations` times over the original context.
double PairOfRotations(const RopeConfig& config, double rotations) {
  return static_cast<double>(config.head_dim) *
         std::log(OriginalPositions(config) / (rotations * kTwoPi)) /
         (2.0 * std::log(config.theta));
}

// Llama 3.1: long wavelengths divided, short ones kept, a linear blend between.
void ScaleLlama3(const RopeConfig& config, std::vector<float>& frequencies) {
  const auto original = static_cast<float>(OriginalPositions(config));
  const auto factor = static_cast<float>(config.factor);
  const auto low = static_cast<float>(config.low_freq_factor);
  const auto high = static_cast<float>(config.high_freq_factor);
  for (float& f : frequencies) {
    const float wavelength = static_cast<float>(kTwoPi) / f;
    if (wavelength > original / low) {
      f = f / factor;
    } else if (wavelength >= original / high) {
      const float smooth = (original / wavelength - low) / (high - low);
      f = (1.0f - smooth) * f / factor + smooth * f;
    }
  }
}

// YaRN (Peng et al., 2023), sections 3.2 and 3.3, as Hugging Face transformers writes it.
void ScaleYarn(const RopeConfig& config, std::vector<float>& frequencies) {
  const std::vector<float> periods = Periods(config);
  double low = PairOfRotations(config, config.beta_fast);
  double high = PairOfRotations(config, config.beta_slow);
  if (config.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(config.head_dim - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float ramp = std::clamp(
        (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f,
        1.0f);
    const float kept = 1.0f - ramp;
    const float divided = 1.0f / (static_cast<float>(config.factor) * periods[i]);
    frequencies[i] = divided * (1.0f - kept) + (1.0f / periods[i]) * kept;
  }
}

// MiniMind's model code: the upper bound stops at d/2 - 1.
void ScaleYarnMiniMind(const RopeConfig& config, std::vector<float>& frequencies) {
  const double low = std::max(std::floor(PairOfRotations(config, config.beta_fast)), 0.0);
  const double high = std::min(std::ceil(PairOfRotations(config, config.beta_slow)),
                               static_cast<double>(config.head_dim / 2 - 1));
  const auto width = static_cast<float>(std::max(high - low, 0.001));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float ramp =
        std::clamp((static_cast<float>(i) - static_cast<float>(low)) / width, 0.0f, 1.0f);
    frequencies[i] *= 1.0f - ramp + ramp / static_cast<float>(config.factor);
  }
}

// MiniMind's tutorial: beta grows with the pair; pairs whose wavelength exceeds the original
// context are divided outright.
void ScaleYarnTutorial(const RopeConfig& config, std::vector<float>& frequencies) {
  const double original = OriginalPositions(config);
  const auto longer = std::find_if(frequencies.begin(), frequencies.end(), [&](float f) {
    return kTwoPi / static_cast<double>(f) > original;
  });
  const auto corrected = static_cast<size_t>(longer - frequencies.begin());
  const auto factor = static_cast<float>(config.factor);
  const auto fast = static_cast<float>(config.beta_fast);
  const auto slow = static_cast<float>(config.beta_slow);
  const auto last = std::max(static_cast<float>(frequencies.size()) - 1.0f, 1.0f);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float beta = slow + (fast - slow) * (static_cast<float>(i) / last);
    const float scale = (beta * factor - beta + 1.0f) / (beta * factor);
    frequencies[i] *= i < corrected ? scale : 1.0f / factor;
  }
}

[[noreturn]] void Refuse(const std::string& field, const std::string& value,
                         const std::string& want) {
  throw ConfigError("rope: " + field + " is " + value + "; it must be " + want);
}

void Require(bool holds, const char* field, double value, const char* want) {
  if (!holds) Refuse(field, DescribeValues(value).substr(1), want);
}

void ValidateLlama3(const RopeConfig& config) {
  Require(config.low_freq_factor > 0, "low_freq_factor", config.low_freq_factor, "positive");
  Require(
      config.high_freq_factor > config.low_freq_factor && std::isfinite(config.high_freq_factor),
      "high_freq_factor", config.high_freq_factor, "larger than low_freq_factor");
}

void ValidateYarn(const RopeConfig& config) {
  Require(config.theta > 1, "theta", config.theta, "larger than 1 for yarn");
  Require(config.beta_slow > 0, "beta_slow", config.beta_slow, "positive");
  Require(config.beta_fast >= config.beta_slow && std::isfinite(config.beta_fast), "beta_fast",
          config.beta_fast, "at least beta_slow");
  Require(config.attention_factor >= 0 && std::isfinite(config.attention_factor),
          "attention_factor", config.attention_factor, "positive, or 0 for the default");
}

}  // namespace

void Validate(const RopeConfig& config) {
  const auto as_double = [](int64_t value) { return static_cast<double>(value); };
  Require(config.head_dim > 0 && config.head_dim % 2 == 0, "head_dim", as_double(config.head_dim),
          "even and positive");
  Require(config.theta > 0 && std::isfinite(config.theta), "theta", config.theta, "positive");
  // Above 2^24 neighbouring positions are the same float.
  constexpr int64_t kMaxPositions = 1 << 24;
  Require(config.max_positions > 0 && config.max_positions <= kMaxPositions, "max_positions",
          as_double(config.max_positions), "between 1 and 16777216");
  Require(config.original_max_positions >= 0, "original_max_positions",
          as_double(config.original_max_positions), "positive, or 0 for max_positions");
  if (config.scaling == RopeScaling::kNone) return;
  Require(config.factor >= 1 && std::isfinite(config.factor), "factor", config.factor,
          "at least 1");
  if (config.scaling == RopeScaling::kLlama3) ValidateLlama3(config);
  if (IsYarn(config.scaling)) ValidateYarn(config);
}

std::vector<float> RopeFrequencies(const RopeConfig& config) {
  Validate(config);
  std::vector<float> frequencies = Periods(config);
  for (float& f : frequencies) f = 1.0f / f;
  const bool longer = static_cast<double>(config.max_positions) > OriginalPositions(config);
  switch (config.scaling) {
    case RopeScaling::kNone:
      break;
    case RopeScaling::kLinear:
      for (float& f : frequencies) f = f / static_cast<float>(config.factor);
      break;
    case RopeScaling::kLlama3:
      ScaleLlama3(config, frequencies);
      break;
    case RopeScaling::kYarn:
      ScaleYarn(config, frequencies);
      break;
    case RopeScaling::kYarnMiniMind:
      if (longer) ScaleYarnMiniMind(config, frequencies);
      break;
    case RopeScaling::kYarnTutorial:
      if (longer) ScaleYarnTutorial(config, frequencies);
      break;
  }
  return frequencies;
}

float RopeAmplitude(const RopeConfig& config) {
  if (!IsYarn(config.scaling)) return 1.0f;
  if (config.attention_factor > 0) return static_cast<float>(config.attention_factor);
  if (config.scaling != RopeScaling::kYarn) return 1.0f;
  return static_cast<float>(0.1 * std::log(config.factor) + 1.0);
}

}  // namespace tandem
