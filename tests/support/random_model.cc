#include "tests/support/random_model.h"

#include <cmath>
#include <functional>

#include "kernels/core/random.h"
#include "kernels/quantize.h"

namespace tandem {
namespace {

ModelConfig MiniMind2(int64_t hidden, int64_t layers, int64_t intermediate) {
  ModelConfig config;
  config.architecture = Architecture::kMiniMind2;
  config.hidden_size = hidden;
  config.num_layers = layers;
  config.num_heads = 8;
  config.num_kv_heads = 2;
  config.head_dim = hidden / 8;
  config.intermediate_size = intermediate;
  config.vocab_size = 6400;
  config.norm_eps = 1e-5f;
  config.tie_embeddings = true;
  config.rope = {.head_dim = hidden / 8, .theta = 1e6, .max_positions = 32768};
  config.windows.assign(static_cast<size_t>(layers), 0);
  config.bos_id = 1;
  config.eos_ids = {2};
  return config;
}

void AddExperts(ModelConfig& config) {
  config.moe = {.num_experts = 4,
                .top_k = 2,
                .num_shared = 1,
                .intermediate_size = config.intermediate_size,
                .sparse_layers = std::vector<bool>(static_cast<size_t>(config.num_layers), true)};
}

uint64_t HashOf(const std::string& name, uint64_t seed) {
  uint64_t hash = seed ^ 0xcbf29ce484222325ull;  // FNV-1a: the same on every machine
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

// Uniform in [-1, 1).
float Centered(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1.0p-23f - 1.0f; }

void FillUniform(Context& context, TensorView values, uint64_t seed, float center, float width) {
  float* data = values.data<float>();
  const int64_t count = values.num_elements();
  context.pool.ForRanges((count + 3) / 4, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      const auto bits = RandomBits({.seed = seed,
                                    .position = static_cast<uint64_t>(group),
                                    .purpose = RandomPurpose::kInit});
      for (int64_t i = 4 * group; i < std::min(4 * group + 4, count); ++i) {
        data[i] = center + width * Centered(bits[static_cast<size_t>(i - 4 * group)]);
      }
    }
  });
}

}  // namespace

ModelConfig Stories260KConfig() {
  ModelConfig config = MiniMind2(64, 5, 172);
  config.architecture = Architecture::kLlama;
  config.num_kv_heads = 4;
  config.vocab_size = 512;
  config.rope = {.head_dim = 8, .theta = 10000.0, .max_positions = 512};
  return config;
}

ModelConfig MiniMind26MConfig() { return MiniMind2(512, 8, 1408); }

ModelConfig MiniMind104MConfig() { return MiniMind2(768, 16, 2048); }

ModelConfig MiniMind64MConfig() {
  ModelConfig config = MiniMind2(768, 8, 2432);
  config.num_kv_heads = 4;
  return config;
}

ModelConfig MiniMindMoe145MConfig() {
  ModelConfig config = MiniMind2(640, 8, 1728);
  AddExperts(config);
  return config;
}

ModelConfig TinyMoeConfig() {
  ModelConfig config = MiniMind2(64, 3, 104);
  config.vocab_size = 300;
  AddExperts(config);
  return config;
}

ModelWeights RandomWeights(Context& context, const ModelConfig& config, DType dtype,
                           uint64_t seed) {
  ModelWeights weights = AllocateWeights(config, dtype);
  ForEachParameter(config, weights, [&](const Parameter& parameter) {
    const uint64_t key = HashOf(parameter.name, seed);
    Tensor values(DType::kF32, parameter.shape);
    if (parameter.matrix != nullptr) {
      const auto k = static_cast<float>(parameter.shape[1]);
      FillUniform(context, values, key, 0.0f, std::sqrt(3.0f / k));
      PackRows(context, values, parameter.first_row, *parameter.matrix);
    } else {
      const bool norm = parameter.name.find("norm") != std::string::npos;
      FillUniform(context, values, key, norm ? 1.0f : 0.0f, 0.1f);
      Convert(context,
              {.x = values,
               .y = parameter.vector->view().Rows(parameter.first_row, parameter.shape[0])});
    }
  });
  return weights;
}

std::vector<int32_t> RandomTokens(const ModelConfig& config, int64_t length, uint64_t seed) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < length; ++i) {
    const auto bits = RandomBits({.seed = seed, .position = static_cast<uint64_t>(i)});
    tokens.push_back(static_cast<int32_t>(bits[0] % static_cast<uint32_t>(config.vocab_size)));
  }
  return tokens;
}

}  // namespace tandem
