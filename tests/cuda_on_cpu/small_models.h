#pragma once
// Models that take a moment on the fake GPU.

#include <ostream>
#include <string>
#include <vector>

#include "engine/model/weights.h"
#include "kernels/core/random.h"
#include "tests/support/random_model.h"

namespace tandem {

inline ModelConfig SmallDenseConfig() {
  ModelConfig config = Stories260KConfig();
  config.num_layers = 2;
  config.windows.assign(2, 0);
  return config;
}

inline ModelWeights SmallWeights(const ModelConfig& config, DType dtype) {
  ThreadPool pool(1);
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  return RandomWeights(context, config, dtype, 5);
}

inline std::vector<int32_t> SomeTokens(const ModelConfig& config, int64_t length, uint64_t seed) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < length; ++i) {
    const auto bits = RandomBits({.seed = seed, .position = static_cast<uint64_t>(i)});
    tokens.push_back(static_cast<int32_t>(bits[0] % static_cast<uint32_t>(config.vocab_size)));
  }
  return tokens;
}

struct ModelCase {
  std::string name;
  ModelConfig config;
  DType dtype;
};

inline void PrintTo(const ModelCase& c, std::ostream* out) { *out << c.name; }

}  // namespace tandem
