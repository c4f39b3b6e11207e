#include "trainer/initialise.h"

#include <cmath>
#include <numbers>
#include <string_view>

#include "kernels/core/random.h"

namespace tandem {
namespace {

constexpr double kNormalDeviation = 0.02;

// FNV-1a: a seed for each parameter.
uint64_t SeedOf(std::string_view name, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

RandomKey KeyOf(uint64_t seed, int64_t element) {
  return {
      .seed = seed, .position = static_cast<uint64_t>(element), .purpose = RandomPurpose::kInit};
}

// Box and Muller, 1958; one number of each pair.
double Normal(const RandomKey& key) {
  const auto bits = RandomBits(key);
  const double u = (static_cast<double>(bits[0]) + 1.0) * 0x1.0p-32;  // in (0, 1]
  const double v = static_cast<double>(bits[1]) * 0x1.0p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

double Uniform(const RandomKey& key, double bound) {
  return (2.0 * RandomUniform(key) - 1.0) * bound;
}

}  // namespace

void InitialiseWeights(const ModelConfig& config, InitKind kind, uint64_t seed,
                       ModelTensors<Tensor>& masters) {
  ForEachParameter(config, masters, [&](const ParameterOf<Tensor>& parameter) {
    const bool is_matrix = parameter.matrix != nullptr;
    Tensor& tensor = is_matrix ? *parameter.matrix : *parameter.vector;
    const TensorView values = tensor.view().Rows(parameter.first_row, parameter.shape[0]);
    const uint64_t key = SeedOf(parameter.name, seed);
    const bool is_norm = !is_matrix && parameter.name.find("norm") != std::string::npos;
    const bool is_table = parameter.matrix == &masters.embedding;
    for (int64_t i = 0; i < values.num_elements(); ++i) {
      double value = is_norm ? 1.0 : 0.0;
      if (is_matrix && kind == InitKind::kNormal) {
        value = kNormalDeviation * Normal(KeyOf(key, i));
      } else if (is_table && !config.tie_embeddings) {
        value = Normal(KeyOf(key, i));
      } else if (is_matrix) {
        value = Uniform(KeyOf(key, i), 1.0 / std::sqrt(static_cast<double>(parameter.shape[1])));
      }
      values.data<float>()[i] = static_cast<float>(value);
    }
  });
}

}  // namespace tandem
