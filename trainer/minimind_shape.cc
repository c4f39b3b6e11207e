#include "trainer/minimind_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr int64_t kNumHeads = 8;

// 64 * ceil(hidden * pi / 64)
int64_t IntermediateSize(int64_t hidden_size) {
  return 64 * static_cast<int64_t>(
                  std::ceil(static_cast<double>(hidden_size) * std::numbers::pi / 64.0));
}

}  // namespace

ModelConfig ConfigOf(const MiniMindShape& shape) {
  const int64_t hidden = shape.hidden_size.value_or(768);
  if (hidden % (2 * kNumHeads) != 0) {
    throw ConfigError(
        fmt::format("--hidden_size {} is no multiple of {}: eight heads of even width share it",
                    hidden, 2 * kNumHeads));
  }
  const bool use_moe = shape.use_moe.value_or(0) != 0;
  return ParseModelConfig(
      fmt::format(
          R"({{"model_type": "minimind", "qk_norm": true, "vocab_size": 6400, "hidden_size": {},)"
          R"("num_hidden_layers": {}, "num_attention_heads": {}, "num_key_value_heads": 4,)"
          R"("head_dim": {}, "intermediate_size": {}, "max_position_embeddings": 32768,)"
          R"("rope_theta": 1000000.0, "rms_norm_eps": 1e-06, "hidden_act": "silu", "bos_token_id": 1,)"
          R"("eos_token_id": 2, "tie_word_embeddings": true, "use_moe": {}{}}})",
          hidden, shape.num_layers.value_or(8), kNumHeads, hidden / kNumHeads,
          IntermediateSize(hidden), use_moe,
          use_moe ? R"(, "num_experts": 4, "num_experts_per_tok": 1)" : ""),
      "the shape of --hidden_size, --num_hidden_layers and --use_moe");
}

void CheckAgrees(const MiniMindShape& shape, const ModelConfig& config) {
  std::vector<std::string> problems;
  const auto check = [&](std::string_view flag, std::optional<int64_t> given, int64_t has) {
    if (given && *given != has) {
      problems.push_back(fmt::format("--{} is {} and the model's {}", flag, *given, has));
    }
  };
  check("hidden_size", shape.hidden_size, config.hidden_size);
  check("num_hidden_layers", shape.num_layers, config.num_layers);
  check("use_moe", shape.use_moe, config.moe.num_experts > 0 ? 1 : 0);
  if (problems.empty()) return;
  throw ConfigError(fmt::format("{}; leave it out where a model or its config is given",
                                fmt::join(problems, "; ")));
}

}  // namespace tandem
