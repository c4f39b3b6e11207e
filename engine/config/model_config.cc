#include "engine/config/model_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/base/json.h"
#include "engine/base/mapped_file.h"
#include "engine/base/printable.h"
#include "engine/config/architecture.h"
#include "engine/config/moe_reader.h"
#include "engine/config/rope_reader.h"
#include "engine/config/token_ids.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// Beyond any published model, and small enough that products of them stay far from 2^63.
constexpr int64_t kMaxHiddenSize = 65536;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 1024;
constexpr int64_t kMaxVocab = int64_t{4} << 20;
constexpr size_t kMaxConfigBytes = size_t{4} << 20;

int64_t RoundUpTo64(double value) { return static_cast<int64_t>(std::ceil(value / 64.0)) * 64; }

// `name`, or in the oldest MiniMind files its first name.
std::string_view NameIn(const JsonFields& fields, std::string_view name, std::string_view first) {
  return !fields.Has(name) && fields.Has(first) ? first : name;
}

void ReadSizes(JsonFields& fields, ModelConfig& config) {
  const ArchitectureDefaults& defaults = DefaultsOf(config.architecture);
  const bool old_names = config.architecture == Architecture::kMiniMind2;
  const auto name = [&](std::string_view current, std::string_view first) {
    return old_names ? NameIn(fields, current, first) : current;
  };
  config.hidden_size = fields.RequiredInt(name("hidden_size", "dim"), {8, kMaxHiddenSize});
  config.num_layers = fields.RequiredInt(name("num_hidden_layers", "n_layers"), {1, kMaxLayers});
  config.num_heads = fields.RequiredInt(name("num_attention_heads", "n_heads"), {1, kMaxHeads});
  const std::string_view kv_heads = name("num_key_value_heads", "n_kv_heads");
  config.num_kv_heads =
      fields.Int(kv_heads, {1, kMaxHeads})
          .value_or(fields.IsNull(kv_heads) ? config.num_heads
                                            : defaults.num_kv_heads.value_or(config.num_heads));
  config.vocab_size = fields.RequiredInt("vocab_size", {2, kMaxVocab});
  if (config.num_heads > 0 && config.num_heads % config.num_kv_heads != 0) {
    fields.AddProblem(kv_heads, "is " + std::to_string(config.num_kv_heads) +
                                    ", which does not divide the heads, " +
                                    std::to_string(config.num_heads));
  }
}

void ReadHeadDim(JsonFields& fields, ModelConfig& config) {
  const std::optional<int64_t> otherwise = DefaultsOf(config.architecture).head_dim;
  if (fields.Has("head_dim")) {
    config.head_dim = fields.Int("head_dim", {8, kMaxHeadDim}).value_or(8);
  } else if (otherwise && !fields.IsNull("head_dim")) {
    config.head_dim = *otherwise;
  } else if (config.hidden_size > 0 && config.num_heads > 0) {
    if (config.hidden_size % config.num_heads != 0) {
      fields.AddProblem("hidden_size",
                        "is " + std::to_string(config.hidden_size) + ", which the heads, " +
                            std::to_string(config.num_heads) + ", do not divide; give head_dim");
      return;
    }
    config.head_dim = config.hidden_size / config.num_heads;
  }
  if (config.head_dim % 8 != 0 || config.head_dim > kMaxHeadDim) {
    fields.AddProblem("head_dim", "is " + std::to_string(config.head_dim) +
                                      ", expected a multiple of 8 up to " +
                                      std::to_string(kMaxHeadDim));
  }
}

// What MiniMind computes when the file does not say; other models must say.
void ReadIntermediateSize(JsonFields& fields, ModelConfig& config) {
  const IntRange range{1, kMaxIntermediateSize};
  const auto hidden = static_cast<double>(config.hidden_size);
  switch (config.architecture) {
    case Architecture::kMiniMind:
      config.intermediate_size =
          fields.Int("intermediate_size", range).value_or(RoundUpTo64(hidden * M_PI));
      break;
    case Architecture::kMiniMind2: {
      const int64_t multiple = fields.Int("multiple_of", {1, 65536}).value_or(64);
      const int64_t size = config.hidden_size * 8 / 3;
      config.intermediate_size =
          fields.Int(NameIn(fields, "intermediate_size", "hidden_dim"), range)
              .value_or((size + multiple - 1) / multiple * multiple);
      break;
    }
    case Architecture::kLlama:
    case Architecture::kMistral:
    case Architecture::kQwen2:
    case Architecture::kQwen3:
    case Architecture::kQwen3Moe:
      config.intermediate_size = fields.RequiredInt("intermediate_size", range);
      break;
  }
}

void ReadBiases(JsonFields& fields, ModelConfig& config) {
  const bool attention_bias = fields.Bool("attention_bias").value_or(false);
  switch (config.architecture) {
    case Architecture::kLlama:
      config.mlp_bias = fields.Bool("mlp_bias").value_or(false);
      [[fallthrough]];
    case Architecture::kQwen3:
    case Architecture::kQwen3Moe:
      config.qkv_bias = config.output_bias = attention_bias;
      break;
    case Architecture::kQwen2:
      config.qkv_bias = true;
      break;
    case Architecture::kMistral:
    case Architecture::kMiniMind:
    case Architecture::kMiniMind2:
      break;
  }
}

void ReadNorms(JsonFields& fields, ModelConfig& config) {
  const ArchitectureDefaults& defaults = DefaultsOf(config.architecture);
  const std::string_view eps = config.architecture == Architecture::kMiniMind2
                                   ? NameIn(fields, "rms_norm_eps", "norm_eps")
                                   : "rms_norm_eps";
  config.norm_eps =
      static_cast<float>(fields.Number(eps, {1e-12, 0.1}).value_or(defaults.norm_eps));
  config.norm_cast = config.architecture == Architecture::kMiniMind ? NormCast::kAfterWeight
                                                                    : NormCast::kBeforeWeight;
  config.qk_norm = defaults.qk_norm;
}

// The window of a layer whose type the file names, for Qwen2 and Qwen3.
std::vector<int64_t> WindowsByType(JsonFields& fields, int64_t num_layers, int64_t window) {
  std::vector<int64_t> windows;
  const auto types = fields.Strings("layer_types").value_or(std::vector<std::string>{});
  if (static_cast<int64_t>(types.size()) != num_layers) {
    fields.AddProblem("layer_types", "has " + std::to_string(types.size()) + " entries for " +
                                         std::to_string(num_layers) + " layers");
  }
  for (const std::string& type : types) {
    const bool sliding = type == "sliding_attention";
    if (!sliding && type != "full_attention") {
      fields.AddProblem("layer_types", "has " + Quoted(type, 60) +
                                           ", supported: full_attention, sliding_attention");
      break;
    }
    if (sliding && window == 0) {
      fields.AddProblem("layer_types", "has sliding_attention without a sliding_window in use");
      break;
    }
    windows.push_back(sliding ? window : 0);
  }
  return windows;
}

void ReadWindows(JsonFields& fields, ModelConfig& config) {
  const IntRange range{1, kMaxPositions};
  const auto num_layers = static_cast<size_t>(config.num_layers);
  config.windows.assign(num_layers, 0);
  const bool is_mistral = config.architecture == Architecture::kMistral;
  const bool is_qwen3_moe = config.architecture == Architecture::kQwen3Moe;
  const bool is_layered =
      config.architecture == Architecture::kQwen2 || config.architecture == Architecture::kQwen3;
  if (!is_mistral && !is_qwen3_moe && !is_layered) return;
  const bool in_use = is_mistral || fields.Bool("use_sliding_window").value_or(false);
  // Absent is not null: an absent window has a default.
  int64_t window = 0;
  if (in_use && !fields.IsNull("sliding_window")) {
    window = fields.Int("sliding_window", range).value_or(4096);
  }
  if (is_layered && fields.Has("layer_types")) {
    config.windows = WindowsByType(fields, config.num_layers, window);
    return;
  }
  const int64_t first =
      is_layered ? fields.Int("max_window_layers", {0, INT32_MAX}).value_or(28) : 0;
  for (size_t layer = 0; layer < num_layers; ++layer) {
    if (static_cast<int64_t>(layer) >= first) config.windows[layer] = window;
  }
}

void RefuseUnsupported(JsonFields& fields) {
  const std::string activation = fields.String("hidden_act").value_or("silu");
  if (activation != "silu" && activation != "swish") {
    fields.AddProblem("hidden_act", "is " + Quoted(activation, 60) + ", supported: silu");
  }
  if (std::optional<JsonFields> quantization = fields.Object("quantization_config")) {
    const std::string method = quantization->String("quant_method").value_or("unknown");
    fields.AddProblem("quantization_config", "(" + Printable(method, 60) +
                                                 ") is not supported; use the checkpoint in "
                                                 "bf16, fp16 or fp32 and quantise while loading");
  }
}

void ReadTokens(JsonFields& fields, ModelConfig& config) {
  const int64_t vocab = std::max<int64_t>(config.vocab_size, 1);
  config.bos_id = ReadTokenId(fields, "bos_token_id", vocab);
  config.pad_id = ReadTokenId(fields, "pad_token_id", vocab);
  config.eos_ids = ReadTokenIds(fields, "eos_token_id", vocab);
  const bool is_minimind = config.architecture == Architecture::kMiniMind ||
                           config.architecture == Architecture::kMiniMind2;
  // Defaults of the configuration classes, where files may leave them out.
  const bool has_defaults = is_minimind || config.architecture == Architecture::kLlama ||
                            config.architecture == Architecture::kMistral;
  if (!has_defaults || vocab <= 2) return;
  const auto is_absent = [&](const char* name) {
    return !fields.Has(name) && !fields.IsNull(name);
  };
  if (is_absent("bos_token_id")) config.bos_id = 1;
  if (is_absent("eos_token_id")) config.eos_ids = {2};
}

}  // namespace

std::string_view Name(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama:
      return "llama";
    case Architecture::kMistral:
      return "mistral";
    case Architecture::kQwen2:
      return "qwen2";
    case Architecture::kQwen3:
      return "qwen3";
    case Architecture::kQwen3Moe:
      return "qwen3-moe";
    case Architecture::kMiniMind:
      return "minimind-3";
    case Architecture::kMiniMind2:
      return "minimind2";
  }
  return "?";
}

ModelConfig ParseModelConfig(std::string_view json, const std::string& where) {
  const Json parsed = ParseJson(json, where, {.max_bytes = kMaxConfigBytes});
  JsonFields fields(parsed, where);
  fields.ThrowIfProblems();
  ModelConfig config;
  config.architecture = DetectArchitecture(fields);
  ReadSizes(fields, config);
  ReadHeadDim(fields, config);
  ReadIntermediateSize(fields, config);
  ReadBiases(fields, config);
  ReadNorms(fields, config);
  ReadWindows(fields, config);
  ReadTokens(fields, config);
  RefuseUnsupported(fields);
  config.rope = ReadRope(fields, config.architecture, config.head_dim);
  config.moe = ReadMoe(fields, config);
  // MiniMind2's code ties them whatever the file says.
  config.tie_embeddings =
      config.architecture == Architecture::kMiniMind2 ||
      fields.Bool("tie_word_embeddings").value_or(DefaultsOf(config.architecture).tie_embeddings);
  fields.ThrowIfProblems();
  return config;
}

ModelConfig ReadModelConfig(const std::filesystem::path& directory) {
  const MappedFile file(directory / "config.json");
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  return ParseModelConfig(text, Printable(file.path().string()));
}

int64_t ModelConfig::num_parameters() const {
  const int64_t q_width = num_heads * head_dim;
  const int64_t kv_width = num_kv_heads * head_dim;
  int64_t attention = hidden_size * (2 * q_width + 2 * kv_width);
  if (qkv_bias) attention += q_width + 2 * kv_width;
  if (output_bias) attention += hidden_size;
  if (qk_norm) attention += 2 * head_dim;
  int64_t dense = 3 * hidden_size * intermediate_size;
  if (mlp_bias) dense += 2 * intermediate_size + hidden_size;
  const int64_t expert = 3 * hidden_size * moe.intermediate_size;
  const int64_t sparse =
      moe.num_experts * hidden_size + (moe.num_experts + moe.num_shared) * expert;
  int64_t total = vocab_size * hidden_size * (tie_embeddings ? 1 : 2) + hidden_size;
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    total += attention + 2 * hidden_size + (is_sparse(layer) ? sparse : dense);
  }
  return total;
}

}  // namespace tandem
