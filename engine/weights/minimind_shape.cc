#include "engine/weights/minimind_shape.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "kernels/core/error.h"

namespace tandem {
namespace {

// Rows and columns of the tensors of layer 0 and of the embedding, and how often what comes in
// numbers is there.
struct SeenTensors {
  Shape embedding, query, key, gate, expert_gate, query_norm;
  int64_t num_layers = 0, num_experts = 0, num_shared = 0;
};

// The number behind `mark` in `name`; -1 when there is none.
int64_t NumberBehind(std::string_view name, std::string_view mark) {
  const size_t at = name.find(mark);
  if (at == name.npos) return -1;
  const char* begin = name.data() + at + mark.size();
  int64_t number = -1;
  std::from_chars(begin, name.data() + name.size(), number);
  return std::min<int64_t>(number, 1 << 20);
}

// Today's name of a tensor, and that of the first code.
struct Shown {
  std::string_view today;
  std::string_view first;
  Shape SeenTensors::*shape;
};

constexpr Shown kShown[] = {
    {"model.embed_tokens.weight", "tok_embeddings.weight", &SeenTensors::embedding},
    {"layers.0.self_attn.q_proj.weight", "layers.0.attention.wq.weight", &SeenTensors::query},
    {"layers.0.self_attn.k_proj.weight", "layers.0.attention.wk.weight", &SeenTensors::key},
    {"layers.0.self_attn.q_norm.weight", "", &SeenTensors::query_norm},
    {"layers.0.mlp.gate_proj.weight", "layers.0.feed_forward.w1.weight", &SeenTensors::gate},
    {"layers.0.mlp.experts.0.gate_proj.weight", "layers.0.feed_forward.experts.0.w1.weight",
     &SeenTensors::expert_gate},
};

SeenTensors LookAt(const TensorTable& table) {
  SeenTensors seen;
  for (const auto& [name, entry] : table.entries()) {
    for (const Shown& shown : kShown) {  // wrappers may stand before a name
      const bool is_first = !shown.first.empty() && name.ends_with(shown.first);
      if (is_first || name.ends_with(shown.today)) seen.*shown.shape = entry.view.shape();
    }
    seen.num_layers = std::max(seen.num_layers, NumberBehind(name, "layers.") + 1);
    seen.num_experts = std::max(seen.num_experts, NumberBehind(name, ".experts.") + 1);
    seen.num_shared = std::max(seen.num_shared, NumberBehind(name, ".shared_experts.") + 1);
    if (name.find(".feed_forward.shared_experts.") != name.npos) seen.num_shared = 1;
  }
  return seen;
}

void RequireMatrix(const Shape& shape, std::string_view name, const std::string& where) {
  if (shape.rank() == 2 && shape[0] > 0) return;
  throw FormatError(where + ": there is no matrix " + std::string(name) +
                    ", so this is not a MiniMind model; give --model-config with the config.json "
                    "of a model whose tensors have Hugging Face's names");
}

int64_t NumHeads(const SeenTensors& seen, const MiniMindSettings& settings, int64_t ratio) {
  if (seen.query_norm.rank() == 1 && seen.query_norm[0] > 0) {
    return seen.query[0] / seen.query_norm[0];
  }
  return settings.num_heads.value_or(ratio == 2 ? 16 : 8);
}

void AddExperts(const SeenTensors& seen, const MiniMindSettings& settings, bool is_third,
                nlohmann::json& json) {
  json["num_experts_per_tok"] = settings.top_k.value_or(is_third ? 1 : 2);
  json["norm_topk_prob"] = true;
  if (is_third) {
    json["num_experts"] = seen.num_experts;
    json["moe_intermediate_size"] = seen.expert_gate[0];
  } else {
    json["n_routed_experts"] = seen.num_experts;
    json["n_shared_experts"] = seen.num_shared;
  }
}

}  // namespace

ModelConfig MiniMindConfigOf(const TensorTable& table, const MiniMindSettings& settings,
                             const std::string& where) {
  const SeenTensors seen = LookAt(table);
  const bool has_experts = seen.num_experts > 0;
  RequireMatrix(seen.embedding, "model.embed_tokens.weight", where);
  RequireMatrix(seen.query, "model.layers.0.self_attn.q_proj.weight", where);
  RequireMatrix(seen.key, "model.layers.0.self_attn.k_proj.weight", where);
  const Shape& gate = has_experts ? seen.expert_gate : seen.gate;
  RequireMatrix(gate, "model.layers.0.mlp.gate_proj.weight", where);
  const bool is_third = seen.query_norm.rank() == 1;
  const int64_t ratio = std::max<int64_t>(seen.query[0] / seen.key[0], 1);
  const int64_t num_heads = NumHeads(seen, settings, ratio);
  if (num_heads < 1 || seen.query[0] % num_heads != 0 || num_heads % ratio != 0) {
    throw FormatError(where + ": q_proj has " + std::to_string(seen.query[0]) +
                      " rows and k_proj " + std::to_string(seen.key[0]) + ", which are not " +
                      std::to_string(num_heads) +
                      " heads over theirs; give --num-attention-heads of this model");
  }
  nlohmann::json json = {
      {"model_type", "minimind"},
      {"qk_norm", is_third},
      {"hidden_size", seen.embedding[1]},
      {"vocab_size", seen.embedding[0]},
      {"num_hidden_layers", seen.num_layers},
      {"num_attention_heads", num_heads},
      {"num_key_value_heads", num_heads / ratio},
      {"head_dim", seen.query[0] / num_heads},
      {"intermediate_size", gate[0]},
      {"max_position_embeddings", settings.max_positions.value_or(32768)},
      {"rope_theta", settings.rope_theta.value_or(!is_third && ratio == 2 ? 1e4 : 1e6)},
      {"rms_norm_eps", settings.norm_eps.value_or(is_third ? 1e-6 : 1e-5)},
      {"use_moe", has_experts},
      {"bos_token_id", 1},
      {"eos_token_id", 2}};
  if (has_experts) AddExperts(seen, settings, is_third, json);
  return ParseModelConfig(json.dump(), where);
}

}  // namespace tandem
