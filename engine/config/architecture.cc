#include "engine/config/architecture.h"

#include <array>
#include <span>
#include <string>

#include "engine/base/printable.h"
#include "kernels/core/check.h"

namespace tandem {
namespace {

struct Row {
  Architecture architecture;
  ArchitectureDefaults defaults;
};

constexpr std::array<Row, 7> kRows{{
    {Architecture::kLlama,
     {.model_type = "llama", .class_name = "LlamaForCausalLM", .max_positions = 2048}},
    {Architecture::kMistral,
     {.model_type = "mistral",
      .class_name = "MistralForCausalLM",
      .num_kv_heads = 8,
      .max_positions = 131072}},
    {Architecture::kQwen2,
     {.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .num_kv_heads = 32}},
    {Architecture::kQwen3,
     {.model_type = "qwen3",
      .class_name = "Qwen3ForCausalLM",
      .num_kv_heads = 32,
      .head_dim = 128,
      .qk_norm = true}},
    {Architecture::kQwen3Moe,
     {.model_type = "qwen3_moe",
      .class_name = "Qwen3MoeForCausalLM",
      .num_kv_heads = 4,
      .qk_norm = true}},
    {Architecture::kMiniMind,
     {.model_type = "minimind",
      .class_name = "MiniMindForCausalLM",
      .num_kv_heads = 4,
      .rope_theta = 1e6,
      .tie_embeddings = true,
      .qk_norm = true}},
    {Architecture::kMiniMind2,
     {.model_type = "minimind",
      .class_name = "MiniMindForCausalLM",
      .num_kv_heads = 2,
      .norm_eps = 1e-5,
      .rope_theta = 1e6,
      .tie_embeddings = true}},
}};

constexpr std::array<std::string_view, 7> kSecondGeneration{
    "n_routed_experts", "n_shared_experts", "scoring_func", "aux_loss_alpha",
    "seq_aux",          "n_layers",         "dim"};
constexpr std::array<std::string_view, 3> kThirdGeneration{"num_experts", "moe_intermediate_size",
                                                           "router_aux_loss_coef"};

std::string_view FirstPresent(const JsonFields& fields, std::span<const std::string_view> names) {
  for (std::string_view name : names) {
    if (fields.Has(name)) return name;
  }
  return "";
}

Architecture MiniMindGeneration(JsonFields& fields) {
  if (const std::optional<bool> qk_norm = fields.Bool("qk_norm")) {
    return *qk_norm ? Architecture::kMiniMind : Architecture::kMiniMind2;
  }
  const std::string_view second = FirstPresent(fields, kSecondGeneration);
  const std::string_view third = FirstPresent(fields, kThirdGeneration);
  if (!second.empty() && !third.empty()) {
    fields.AddProblem(second, "is of MiniMind2 and " + std::string(third) +
                                  " of minimind-3; add \"qk_norm\": true (minimind-3) or false");
  }
  return second.empty() ? Architecture::kMiniMind : Architecture::kMiniMind2;
}

std::optional<Architecture> ByModelType(std::string_view model_type, JsonFields& fields) {
  if (model_type == "minimind") return MiniMindGeneration(fields);
  if (model_type == "mokiomind") return Architecture::kMiniMind2;
  for (const Row& row : kRows) {
    if (row.defaults.model_type == model_type) return row.architecture;
  }
  return std::nullopt;
}

std::optional<Architecture> ByClassName(std::string_view name, JsonFields& fields) {
  if (name.starts_with("MiniMind")) return MiniMindGeneration(fields);
  if (name.starts_with("MokioMind")) return Architecture::kMiniMind2;
  for (const Row& row : kRows) {
    if (row.defaults.class_name == name) return row.architecture;
  }
  return std::nullopt;
}

constexpr const char* kSupported =
    ", supported: llama, mistral, qwen2, qwen3, qwen3_moe, minimind, mokiomind";

}  // namespace

const ArchitectureDefaults& DefaultsOf(Architecture architecture) {
  for (const Row& row : kRows) {
    if (row.architecture == architecture) return row.defaults;
  }
  CHECK(false, static_cast<int>(architecture));
  return kRows.front().defaults;
}

Architecture DetectArchitecture(JsonFields& fields) {
  if (fields.Has("model_type")) {
    const std::string model_type = fields.String("model_type").value_or("");
    if (const auto architecture = ByModelType(model_type, fields)) return *architecture;
    if (!model_type.empty()) {
      fields.AddProblem("model_type", "is " + Quoted(model_type, 60) + kSupported);
    }
    return Architecture::kLlama;
  }
  for (const std::string& name :
       fields.Strings("architectures").value_or(std::vector<std::string>{})) {
    if (const auto architecture = ByClassName(name, fields)) return *architecture;
  }
  fields.AddProblem("model_type", std::string("is missing") + kSupported);
  return Architecture::kLlama;
}

}  // namespace tandem
