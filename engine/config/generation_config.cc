#include <cstdint>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "engine/base/mapped_file.h"
#include "engine/base/printable.h"
#include "engine/config/model_config.h"
#include "engine/config/token_ids.h"

namespace tandem {
namespace {

std::optional<float> ReadFloat(JsonFields& fields, std::string_view name, NumberRange range) {
  const std::optional<double> value = fields.Number(name, range);
  if (!value) return std::nullopt;
  return static_cast<float>(*value);
}

}  // namespace

GenerationConfig ReadGenerationConfig(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  const std::string where = Printable(path.string());
  const Json json = ParseJson(text, where, {.max_bytes = size_t{1} << 20});
  JsonFields fields(json, where);
  GenerationConfig config;
  config.eos_ids = ReadTokenIds(fields, "eos_token_id", INT32_MAX);
  config.bos_id = ReadTokenId(fields, "bos_token_id", INT32_MAX);
  config.temperature = ReadFloat(fields, "temperature", {0.0, 100.0});
  config.top_p = ReadFloat(fields, "top_p", {1e-6, 1.0});
  if (const auto top_k = fields.Int("top_k", {0, INT32_MAX})) {
    config.top_k = static_cast<int32_t>(*top_k);
  }
  config.min_p = ReadFloat(fields, "min_p", {0.0, 1.0});
  config.repetition_penalty = ReadFloat(fields, "repetition_penalty", {1e-6, 10.0});
  fields.ThrowIfProblems();
  return config;
}

}  // namespace tandem
