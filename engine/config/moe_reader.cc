#include "engine/config/moe_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/base/printable.h"

namespace tandem {
namespace {

constexpr IntRange kNumExperts{1, 1024};
constexpr IntRange kTopK{1, 64};
constexpr NumberRange kCoefficient{0.0, 1e3};

MoeConfig ReadQwen3Moe(JsonFields& fields, const ModelConfig& config) {
  MoeConfig moe;
  // transformers 5 knows the count by a second name.
  const char* count = fields.Has("num_experts") ? "num_experts" : "num_local_experts";
  moe.num_experts = fields.Int(count, {0, kNumExperts.max}).value_or(128);
  moe.top_k = fields.Int("num_experts_per_tok", kTopK).value_or(8);
  moe.intermediate_size =
      fields.Int("moe_intermediate_size", {1, kMaxIntermediateSize}).value_or(768);
  moe.renormalise = fields.Bool("norm_topk_prob").value_or(false);
  moe.aux_loss_coef = fields.Number("router_aux_loss_coef", kCoefficient).value_or(0.001);
  const int64_t step = fields.Int("decoder_sparse_step", {1, 1024}).value_or(1);
  const std::vector<int64_t> dense =
      fields.Ints("mlp_only_layers", {0, std::max<int64_t>(config.num_layers - 1, 0)})
          .value_or(std::vector<int64_t>{});
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const bool named_dense = std::find(dense.begin(), dense.end(), layer) != dense.end();
    moe.sparse_layers.push_back(!named_dense && (layer + 1) % step == 0);
  }
  return moe;
}

MoeConfig ReadMiniMind(JsonFields& fields, const ModelConfig& config) {
  MoeConfig moe;
  moe.num_experts = fields.Int("num_experts", kNumExperts).value_or(4);
  moe.top_k = fields.Int("num_experts_per_tok", kTopK).value_or(1);
  moe.intermediate_size = fields.Int("moe_intermediate_size", {1, kMaxIntermediateSize})
                              .value_or(config.intermediate_size);
  moe.renormalise = fields.Bool("norm_topk_prob").value_or(true);
  moe.aux_loss_coef = fields.Number("router_aux_loss_coef", kCoefficient).value_or(5e-4);
  return moe;
}

// A count; the oldest files say only whether there is one.
int64_t ReadNumShared(JsonFields& fields) {
  const char* name = "n_shared_experts";
  const Json* value = fields.Find(name);
  if (value != nullptr && value->is_boolean()) return value->get<bool>() ? 1 : 0;
  return fields.Int(name, {0, 64}).value_or(1);
}

MoeConfig ReadMiniMind2(JsonFields& fields, const ModelConfig& config) {
  MoeConfig moe;
  moe.num_experts = fields.Int("n_routed_experts", kNumExperts).value_or(4);
  moe.top_k = fields.Int("num_experts_per_tok", kTopK).value_or(2);
  moe.num_shared = ReadNumShared(fields);
  moe.intermediate_size = config.intermediate_size;
  const std::string score = fields.String("scoring_func").value_or("softmax");
  if (score != "softmax" && score != "sigmoid") {
    fields.AddProblem("scoring_func", "is " + Quoted(score, 60) + ", supported: softmax, sigmoid");
  }
  moe.score = score == "sigmoid" ? MoeScore::kSigmoid : MoeScore::kSoftmax;
  // MiniMind2 leaves a single expert's weight as it is.
  moe.renormalise = fields.Bool("norm_topk_prob").value_or(true) && moe.top_k > 1;
  moe.aux_loss_coef = fields.Number("aux_loss_alpha", kCoefficient).value_or(0.01);
  moe.aux_loss_per_sequence = fields.Bool("seq_aux").value_or(true);
  return moe;
}

}  // namespace

MoeConfig ReadMoe(JsonFields& fields, const ModelConfig& config) {
  MoeConfig moe;
  switch (config.architecture) {
    case Architecture::kLlama:
    case Architecture::kMistral:
    case Architecture::kQwen2:
    case Architecture::kQwen3:
      return moe;
    case Architecture::kQwen3Moe:
      moe = ReadQwen3Moe(fields, config);
      break;
    case Architecture::kMiniMind:
    case Architecture::kMiniMind2:
      if (!fields.Bool("use_moe").value_or(false)) return moe;
      moe = config.architecture == Architecture::kMiniMind ? ReadMiniMind(fields, config)
                                                           : ReadMiniMind2(fields, config);
      moe.sparse_layers.assign(static_cast<size_t>(config.num_layers), true);
      break;
  }
  if (moe.num_experts == 0) return MoeConfig{};
  if (moe.top_k > moe.num_experts) {
    fields.AddProblem("num_experts_per_tok", "is " + std::to_string(moe.top_k) +
                                                 ", more than the experts, " +
                                                 std::to_string(moe.num_experts));
  }
  return moe;
}

}  // namespace tandem
