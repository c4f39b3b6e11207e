#pragma once
// Models with random weights in real shapes, for tests and benchmarks: no files, always the same
// bits.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/model_config.h"
#include "engine/model/weights.h"
#include "kernels/core/context.h"

namespace tandem {

struct NamedConfig {
  std::string name;
  ModelConfig config;
};

ModelConfig Stories260KConfig();
ModelConfig MiniMind26MConfig();
ModelConfig MiniMind104MConfig();
// MiniMind-3's shape: 8 heads of 96, of keys and values 4.
ModelConfig MiniMind64MConfig();
ModelConfig MiniMindMoe145MConfig();
// MiniMind2's mixture with shared experts, three small layers: for tests that cannot wait.
ModelConfig TinyMoeConfig();

// Every matrix uniform with standard deviation 1/sqrt(k), norms near 1, drawn from (seed, name).
ModelWeights RandomWeights(Context& context, const ModelConfig& config, DType dtype, uint64_t seed);

// Ids of the vocabulary, by seed.
std::vector<int32_t> RandomTokens(const ModelConfig& config, int64_t length, uint64_t seed);

}  // namespace tandem
