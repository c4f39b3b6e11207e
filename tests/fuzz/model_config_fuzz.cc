// config.json: what is accepted has sizes that fit together, and is read back from what is written
// of it as the same config.

#include <string>

#include "engine/config/model_config.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

void CheckConfig(const ModelConfig& config) {
  CHECK(config.num_layers > 0 && config.hidden_size > 0 && config.vocab_size > 0);
  CHECK(config.num_kv_heads > 0 && config.num_heads % config.num_kv_heads == 0);
  CHECK(config.head_dim > 0 && config.head_dim % 8 == 0, config.head_dim);
  CHECK(config.intermediate_size > 0 && config.max_context() > 0);
  CHECK(config.windows.size() == static_cast<size_t>(config.num_layers), config.windows.size());
  for (const int64_t window : config.windows) CHECK(window >= 0, window);
  if (config.moe.num_experts > 0) {
    CHECK(config.moe.sparse_layers.size() == config.windows.size());
    CHECK(config.moe.top_k > 0 && config.moe.top_k <= config.moe.num_experts, config.moe.top_k);
  }
  for (const int32_t id : config.eos_ids) CHECK(id >= 0 && id < config.vocab_size, id);
  if (config.bos_id) CHECK(*config.bos_id >= 0 && *config.bos_id < config.vocab_size);
  CHECK(config.num_parameters() > 0, config.num_parameters());
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  ModelConfig config;
  try {
    config = ParseModelConfig(AsText(data, size), "fuzz");
  } catch (const FormatError&) {
    return 0;
  }
  CheckConfig(config);
  const std::string text = FormatModelConfig(config, DType::kBf16);
  CHECK(ParseModelConfig(text, "written") == config, text);
  return 0;
}
