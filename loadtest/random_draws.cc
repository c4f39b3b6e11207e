#include "loadtest/random_draws.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tandem {

double RandomDraws::Uniform() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }

int64_t RandomDraws::Integer(int64_t first, int64_t end) {
  const auto width = static_cast<double>(end - first);
  return std::min(first + static_cast<int64_t>(Uniform() * width), end - 1);
}

double RandomDraws::Exponential() { return -std::log1p(-Uniform()); }

double RandomDraws::Normal() {  // Box and Muller
  const double radius = std::sqrt(2.0 * Exponential());
  return radius * std::cos(2.0 * std::numbers::pi * Uniform());
}

// Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).
double RandomDraws::Gamma(double shape) {
  if (shape < 1.0) {
    const double power = std::pow(1.0 - Uniform(), 1.0 / shape);
    return Gamma(shape + 1.0) * power;
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double normal = Normal();
    const double root = 1.0 + c * normal;
    if (root <= 0.0) continue;
    const double cube = root * root * root;
    if (std::log(1.0 - Uniform()) < 0.5 * normal * normal + d * (1.0 - cube + std::log(cube))) {
      return d * cube;
    }
  }
}

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t MixedSeed(uint64_t seed, uint64_t stream) {
  uint64_t z = seed + (stream + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace tandem
