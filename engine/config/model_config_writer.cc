// The other direction of ParseModelConfig, for checkpoints and exports.

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/config/architecture.h"
#include "engine/config/model_config.h"
#include "engine/config/rope_reader.h"
#include "kernels/core/check.h"

namespace tandem {
namespace {

using OrderedJson = nlohmann::ordered_json;

bool IsMiniMind(Architecture architecture) {
  return architecture == Architecture::kMiniMind || architecture == Architecture::kMiniMind2;
}

std::string_view TorchName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "float32";
    case DType::kBf16:
      return "bfloat16";
    case DType::kF16:
      return "float16";
    case DType::kI8:
    case DType::kU8:
    case DType::kI32:
    case DType::kI64:
      break;
  }
  CHECK(false, "weights are stored as floats, not", Name(dtype));
  return "";
}

// The shortest decimal that is this float: 1e-05, not 9.999999747378752e-06.
double Shortest(float value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  double shortest = 0.0;
  std::from_chars(text, end, shortest);
  return shortest;
}

OrderedJson Optional(const std::optional<int32_t>& id) {
  return id ? OrderedJson(*id) : OrderedJson(nullptr);
}

void WriteTokens(const ModelConfig& config, OrderedJson& json) {
  json["bos_token_id"] = Optional(config.bos_id);
  if (config.eos_ids.size() == 1) {
    json["eos_token_id"] = config.eos_ids.front();
  } else if (config.eos_ids.empty()) {
    json["eos_token_id"] = nullptr;
  } else {
    json["eos_token_id"] = config.eos_ids;
  }
  json["pad_token_id"] = Optional(config.pad_id);
}

void WriteRope(const ModelConfig& config, OrderedJson& json) {
  const RopeConfig& rope = config.rope;
  const bool is_minimind = IsMiniMind(config.architecture);
  const bool is_minimind_yarn = is_minimind && rope.scaling == RopeScaling::kYarnMiniMind;
  json["max_position_embeddings"] = rope.max_positions;
  json["rope_theta"] = rope.theta;
  // MiniMind's flag is its own YaRN, on or off; beside another scaling it is left out.
  if (is_minimind && (is_minimind_yarn || rope.scaling == RopeScaling::kNone)) {
    json["inference_rope_scaling"] = is_minimind_yarn;
  }
  CHECK(!is_minimind || rope.scaling != RopeScaling::kYarn, "MiniMind's files call their own yarn");
  if (rope.scaling == RopeScaling::kNone) {
    json["rope_scaling"] = nullptr;
    return;
  }
  OrderedJson scaling;
  scaling[is_minimind_yarn ? "type" : "rope_type"] = is_minimind_yarn ? "yarn" : Name(rope.scaling);
  scaling["factor"] = rope.factor;
  if (rope.scaling != RopeScaling::kLinear) {
    scaling["original_max_position_embeddings"] = rope.original_max_positions;
  }
  if (rope.scaling == RopeScaling::kLlama3) {
    scaling["low_freq_factor"] = rope.low_freq_factor;
    scaling["high_freq_factor"] = rope.high_freq_factor;
  } else if (rope.scaling != RopeScaling::kLinear) {
    scaling["beta_fast"] = rope.beta_fast;
    scaling["beta_slow"] = rope.beta_slow;
    if (rope.attention_factor != 0.0) scaling["attention_factor"] = rope.attention_factor;
    if (!rope.truncate) scaling["truncate"] = false;
  }
  json["rope_scaling"] = scaling;
}

void WriteWindows(const ModelConfig& config, OrderedJson& json) {
  const int64_t window = config.windows.empty() ? 0 : std::ranges::max(config.windows);
  for (int64_t w : config.windows) CHECK(w == 0 || w == window, w, window);
  switch (config.architecture) {
    case Architecture::kLlama:
    case Architecture::kMiniMind:
    case Architecture::kMiniMind2:
      CHECK(window == 0, window);
      return;
    case Architecture::kMistral:
      break;
    case Architecture::kQwen2:
    case Architecture::kQwen3: {
      std::vector<std::string> types;
      for (int64_t w : config.windows) {
        types.push_back(w > 0 ? "sliding_attention" : "full_attention");
      }
      json["layer_types"] = types;
      [[fallthrough]];
    }
    case Architecture::kQwen3Moe:
      json["use_sliding_window"] = window > 0;
      break;
  }
  json["sliding_window"] = window > 0 ? OrderedJson(window) : OrderedJson(nullptr);
}

// The fields whose names Qwen3 and minimind-3 share.
void WriteExperts(const MoeConfig& moe, OrderedJson& json) {
  json["num_experts"] = moe.num_experts;
  json["num_experts_per_tok"] = moe.top_k;
  json["moe_intermediate_size"] = moe.intermediate_size;
  json["norm_topk_prob"] = moe.renormalise;
  json["router_aux_loss_coef"] = moe.aux_loss_coef;
}

void WriteMiniMind2Experts(const MoeConfig& moe, OrderedJson& json) {
  json["n_routed_experts"] = moe.num_experts;
  json["num_experts_per_tok"] = moe.top_k;
  json["n_shared_experts"] = moe.num_shared;
  json["scoring_func"] = moe.score == MoeScore::kSoftmax ? "softmax" : "sigmoid";
  json["norm_topk_prob"] = moe.renormalise;
  json["aux_loss_alpha"] = moe.aux_loss_coef;
  json["seq_aux"] = moe.aux_loss_per_sequence;
}

std::vector<int64_t> DenseLayers(const ModelConfig& config) {
  std::vector<int64_t> dense;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    if (!config.is_sparse(layer)) dense.push_back(layer);
  }
  return dense;
}

void WriteMoe(const ModelConfig& config, OrderedJson& json) {
  const bool has_experts = config.moe.num_experts > 0;
  if (IsMiniMind(config.architecture)) json["use_moe"] = has_experts;
  switch (config.architecture) {
    case Architecture::kLlama:
    case Architecture::kMistral:
    case Architecture::kQwen2:
    case Architecture::kQwen3:
      CHECK(!has_experts);
      break;
    case Architecture::kQwen3Moe:
      if (!has_experts) {
        json["num_experts"] = 0;
        break;
      }
      WriteExperts(config.moe, json);
      json["decoder_sparse_step"] = 1;
      json["mlp_only_layers"] = DenseLayers(config);
      break;
    case Architecture::kMiniMind:
      if (has_experts) WriteExperts(config.moe, json);
      break;
    case Architecture::kMiniMind2:
      if (has_experts) WriteMiniMind2Experts(config.moe, json);
      break;
  }
}

}  // namespace

std::string FormatModelConfig(const ModelConfig& config, DType weights) {
  const ArchitectureDefaults& defaults = DefaultsOf(config.architecture);
  OrderedJson json;
  json["architectures"] = {defaults.class_name};
  json["model_type"] = defaults.model_type;
  json["hidden_act"] = "silu";
  json["hidden_size"] = config.hidden_size;
  json["intermediate_size"] = config.intermediate_size;
  json["num_hidden_layers"] = config.num_layers;
  json["num_attention_heads"] = config.num_heads;
  json["num_key_value_heads"] = config.num_kv_heads;
  json["head_dim"] = config.head_dim;
  json["vocab_size"] = config.vocab_size;
  json["rms_norm_eps"] = Shortest(config.norm_eps);
  json["tie_word_embeddings"] = config.tie_embeddings;
  json["torch_dtype"] = TorchName(weights);
  switch (config.architecture) {
    case Architecture::kLlama:
      json["mlp_bias"] = config.mlp_bias;
      [[fallthrough]];
    case Architecture::kQwen3:
    case Architecture::kQwen3Moe:
      json["attention_bias"] = config.output_bias;
      break;
    case Architecture::kMiniMind:
    case Architecture::kMiniMind2:
      json["qk_norm"] = config.qk_norm;
      break;
    case Architecture::kMistral:
    case Architecture::kQwen2:
      break;
  }
  WriteTokens(config, json);
  WriteRope(config, json);
  WriteWindows(config, json);
  WriteMoe(config, json);
  return json.dump(2) + "\n";
}

}  // namespace tandem
