#include "engine/config/model_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

// A small file of one architecture; tests change single fields of it.
Json Small(const std::string& model_type) {
  return {{"model_type", model_type}, {"hidden_size", 64},        {"num_hidden_layers", 4},
          {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"vocab_size", 100},
          {"intermediate_size", 128}};
}

Json With(Json json, const Json& changes) {
  json.update(changes);
  return json;
}

Json Without(Json json, const std::string& name) {
  json.erase(name);
  return json;
}

ModelConfig Parse(const Json& json) { return ParseModelConfig(json.dump(), "config.json"); }

std::string ErrorOf(const Json& json) {
  return MessageOf<FormatError>([&] { Parse(json); });
}

TEST(ModelConfig, ReadsALlama) {
  const ModelConfig config =
      Parse(With(Small("llama"),
                 {{"rms_norm_eps", 1e-5}, {"rope_theta", 500000}, {"torch_dtype", "float16"}}));
  EXPECT_EQ(config.architecture, Architecture::kLlama);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.rope.head_dim, 16);
  EXPECT_EQ(config.rope.theta, 500000.0);
  EXPECT_EQ(config.max_context(), 2048);
  EXPECT_EQ(config.norm_eps, 1e-5f);
  EXPECT_EQ(config.norm_cast, NormCast::kBeforeWeight);
  EXPECT_EQ(config.windows, std::vector<int64_t>(4, 0));
  EXPECT_FALSE(config.qk_norm || config.qkv_bias || config.output_bias || config.mlp_bias ||
               config.tie_embeddings);
  EXPECT_EQ(config.moe, MoeConfig{});
  EXPECT_FALSE(config.is_sparse(0));
}

TEST(ModelConfig, TakesTheArchitectureFromItsClassWhenThereIsNoType) {
  Json json = Without(Small("x"), "model_type");
  EXPECT_TRUE(Contains(ErrorOf(json), "model_type is missing"));
  json["architectures"] = {"Qwen3ForCausalLM"};
  EXPECT_EQ(Parse(json).architecture, Architecture::kQwen3);
  json["architectures"] = {"GPT2LMHeadModel"};
  EXPECT_TRUE(Contains(ErrorOf(json), "supported: llama"));
}

TEST(ModelConfig, FillsHeadsAsTransformersDoes) {
  for (const auto& [type, expected] : std::vector<std::pair<std::string, int64_t>>{
           {"llama", 32}, {"mistral", 8}, {"qwen2", 32}, {"qwen3", 32}, {"qwen3_moe", 4}}) {
    Json json = With(Small(type), {{"num_attention_heads", 32}, {"hidden_size", 512}});
    EXPECT_EQ(Parse(Without(json, "num_key_value_heads")).num_kv_heads, expected) << type;
    json["num_key_value_heads"] = nullptr;
    EXPECT_EQ(Parse(json).num_kv_heads, 32) << type;
  }
  EXPECT_EQ(Parse(Small("qwen3")).head_dim, 128);
  EXPECT_EQ(Parse(Small("qwen2")).head_dim, 16);
  EXPECT_EQ(Parse(With(Small("mistral"), {{"head_dim", 40}})).head_dim, 40);
  EXPECT_EQ(Parse(With(Small("llama"), {{"head_dim", nullptr}})).head_dim, 16);
}

TEST(ModelConfig, KnowsWhereBiasesAre) {
  const Json bias{{"attention_bias", true}, {"mlp_bias", true}};
  const ModelConfig llama = Parse(With(Small("llama"), bias));
  EXPECT_TRUE(llama.qkv_bias && llama.output_bias && llama.mlp_bias);
  const ModelConfig qwen2 = Parse(Small("qwen2"));
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.output_bias || qwen2.mlp_bias);
  const ModelConfig qwen3 = Parse(With(Small("qwen3"), bias));
  EXPECT_TRUE(qwen3.qkv_bias && qwen3.output_bias && qwen3.qk_norm);
  EXPECT_FALSE(qwen3.mlp_bias);
  const ModelConfig mistral = Parse(With(Small("mistral"), bias));
  EXPECT_FALSE(mistral.qkv_bias || mistral.output_bias || mistral.mlp_bias);
}

TEST(ModelConfig, ReadsTokenIdsAloneAndInLists) {
  const ModelConfig one = Parse(With(Small("llama"), {{"eos_token_id", 7}, {"pad_token_id", -1}}));
  EXPECT_EQ(one.eos_ids, std::vector<int32_t>{7});
  EXPECT_EQ(one.bos_id, 1);
  EXPECT_EQ(one.pad_id, std::nullopt);
  const ModelConfig many =
      Parse(With(Small("llama"), {{"eos_token_id", {7, 9, 7}}, {"bos_token_id", nullptr}}));
  EXPECT_EQ(many.eos_ids, (std::vector<int32_t>{7, 9}));
  EXPECT_EQ(many.bos_id, std::nullopt);
  EXPECT_TRUE(Parse(Small("qwen2")).eos_ids.empty());
  EXPECT_TRUE(Contains(ErrorOf(With(Small("llama"), {{"eos_token_id", 100}})),
                       "eos_token_id is 100, expected -1 to 99"));
}

TEST(ModelConfig, ReadsSlidingWindows) {
  const std::vector<int64_t> none(4, 0);
  EXPECT_EQ(Parse(With(Small("mistral"), {{"sliding_window", 32}})).windows,
            std::vector<int64_t>(4, 32));
  EXPECT_EQ(Parse(With(Small("mistral"), {{"sliding_window", nullptr}})).windows, none);
  EXPECT_EQ(Parse(Small("mistral")).windows, std::vector<int64_t>(4, 4096));
  const Json layered{
      {"sliding_window", 32}, {"use_sliding_window", true}, {"max_window_layers", 3}};
  EXPECT_EQ(Parse(With(Small("qwen2"), layered)).windows, (std::vector<int64_t>{0, 0, 0, 32}));
  EXPECT_EQ(Parse(With(Small("qwen3_moe"), layered)).windows, std::vector<int64_t>(4, 32));
  EXPECT_EQ(Parse(With(Small("qwen2"), With(layered, {{"use_sliding_window", false}}))).windows,
            none);
  Json types = layered;
  types["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention",
                          "full_attention"};
  EXPECT_EQ(Parse(With(Small("qwen3"), types)).windows, (std::vector<int64_t>{32, 0, 32, 0}));
  types["layer_types"] = {"full_attention"};
  EXPECT_TRUE(Contains(ErrorOf(With(Small("qwen3"), types)), "1 entries for 4 layers"));
  types["layer_types"] = {"full_attention", "linear_attention", "x", "y"};
  EXPECT_TRUE(Contains(ErrorOf(With(Small("qwen3"), types)), "linear_attention"));
}

TEST(ModelConfig, ReadsAQwen3Mixture) {
  const ModelConfig config = Parse(With(Small("qwen3_moe"), {{"num_experts", 8},
                                                             {"num_experts_per_tok", 2},
                                                             {"moe_intermediate_size", 32},
                                                             {"norm_topk_prob", true},
                                                             {"decoder_sparse_step", 2},
                                                             {"mlp_only_layers", {3}}}));
  EXPECT_EQ(config.moe.num_experts, 8);
  EXPECT_EQ(config.moe.top_k, 2);
  EXPECT_EQ(config.moe.intermediate_size, 32);
  EXPECT_TRUE(config.moe.renormalise);
  EXPECT_EQ(config.moe.score, MoeScore::kSoftmax);
  EXPECT_EQ(config.moe.sparse_layers, (std::vector<bool>{false, true, false, false}));
  const ModelConfig defaults = Parse(Small("qwen3_moe"));
  EXPECT_EQ(defaults.moe.num_experts, 128);
  EXPECT_FALSE(defaults.moe.renormalise);
  EXPECT_TRUE(defaults.qk_norm);
  EXPECT_EQ(Parse(With(Small("qwen3_moe"), {{"num_local_experts", 16}})).moe.num_experts, 16);
  EXPECT_TRUE(
      Contains(ErrorOf(With(Small("qwen3_moe"), {{"num_experts", 2}, {"num_experts_per_tok", 3}})),
               "num_experts_per_tok is 3, more than the experts, 2"));
}

Json MiniMind3() {
  return {{"model_type", "minimind"},     {"hidden_size", 768},
          {"num_hidden_layers", 8},       {"num_attention_heads", 8},
          {"vocab_size", 6400},           {"num_experts", 4},
          {"router_aux_loss_coef", 5e-4}, {"inference_rope_scaling", false}};
}

Json MiniMind2() {
  return {{"model_type", "minimind"}, {"hidden_size", 512},        {"num_hidden_layers", 8},
          {"num_attention_heads", 8}, {"vocab_size", 6400},        {"n_routed_experts", 4},
          {"n_shared_experts", 1},    {"scoring_func", "softmax"}, {"num_experts_per_tok", 2}};
}

TEST(ModelConfig, ReadsMiniMind3) {
  const ModelConfig config = Parse(MiniMind3());
  EXPECT_EQ(config.architecture, Architecture::kMiniMind);
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 96);
  EXPECT_EQ(config.intermediate_size, 2432);
  EXPECT_EQ(config.norm_eps, 1e-6f);
  EXPECT_EQ(config.norm_cast, NormCast::kAfterWeight);
  EXPECT_EQ(config.rope.theta, 1e6);
  EXPECT_EQ(config.rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(config.max_context(), 32768);
  EXPECT_TRUE(config.qk_norm && config.tie_embeddings);
  EXPECT_EQ(config.bos_id, 1);
  EXPECT_EQ(config.eos_ids, std::vector<int32_t>{2});
  EXPECT_EQ(config.num_parameters(), 63'912'192);
  const ModelConfig moe = Parse(With(MiniMind3(), {{"use_moe", true}}));
  EXPECT_EQ(moe.moe.top_k, 1);
  EXPECT_EQ(moe.moe.num_shared, 0);
  EXPECT_TRUE(moe.moe.renormalise);
  EXPECT_EQ(moe.moe.aux_loss_coef, 5e-4);
  EXPECT_EQ(moe.num_parameters(), 198'416'640);
}

TEST(ModelConfig, ReadsMiniMind2) {
  const ModelConfig config = Parse(MiniMind2());
  EXPECT_EQ(config.architecture, Architecture::kMiniMind2);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.intermediate_size, 1408);
  EXPECT_EQ(config.norm_eps, 1e-5f);
  EXPECT_EQ(config.norm_cast, NormCast::kBeforeWeight);
  EXPECT_FALSE(config.qk_norm);
  EXPECT_TRUE(config.tie_embeddings);
  EXPECT_EQ(config.num_parameters(), 25'829'888);
  EXPECT_EQ(
      Parse(With(MiniMind2(), {{"hidden_size", 768}, {"num_hidden_layers", 16}})).num_parameters(),
      104'030'976);
  const ModelConfig moe = Parse(With(MiniMind2(), {{"hidden_size", 640}, {"use_moe", true}}));
  EXPECT_EQ(moe.intermediate_size, 1728);
  EXPECT_EQ(moe.moe.num_shared, 1);
  EXPECT_TRUE(moe.moe.renormalise);
  EXPECT_TRUE(moe.moe.aux_loss_per_sequence);
  EXPECT_EQ(moe.num_parameters(), 145'029'760);
  const ModelConfig single =
      Parse(With(MiniMind2(), {{"use_moe", true}, {"num_experts_per_tok", 1}}));
  EXPECT_FALSE(single.moe.renormalise);
  const Json sigmoid{{"use_moe", true}, {"scoring_func", "sigmoid"}};
  EXPECT_EQ(Parse(With(MiniMind2(), sigmoid)).moe.score, MoeScore::kSigmoid);
  EXPECT_EQ(Parse(With(MiniMind2(), {{"model_type", "mokiomind"}})).architecture,
            Architecture::kMiniMind2);
}

TEST(ModelConfig, ReadsTheOldestMiniMindNames) {
  const Json old{{"model_type", "minimind"},
                 {"dim", 512},
                 {"n_layers", 8},
                 {"n_heads", 8},
                 {"n_kv_heads", 2},
                 {"vocab_size", 6400},
                 {"hidden_dim", nullptr},
                 {"multiple_of", 64},
                 {"norm_eps", 1e-5},
                 {"max_seq_len", 8192},
                 {"use_moe", false},
                 {"n_shared_experts", true}};
  const ModelConfig config = Parse(old);
  EXPECT_EQ(config.architecture, Architecture::kMiniMind2);
  EXPECT_EQ(config.num_parameters(), 25'829'888);
  EXPECT_EQ(config.max_context(), 8192);
  EXPECT_EQ(config.rope.theta, 1e6);
  const ModelConfig older = Parse(With(old, {{"n_heads", 16}, {"n_kv_heads", 8}}));
  EXPECT_EQ(older.rope.theta, 1e4);
  EXPECT_EQ(Parse(With(old, {{"use_moe", true}})).moe.num_shared, 1);
}

TEST(ModelConfig, TellsMiniMindGenerationsApart) {
  Json bare = Without(Without(MiniMind3(), "num_experts"), "router_aux_loss_coef");
  EXPECT_EQ(Parse(bare).architecture, Architecture::kMiniMind);
  EXPECT_EQ(Parse(With(bare, {{"qk_norm", false}})).architecture, Architecture::kMiniMind2);
  const Json both = With(MiniMind3(), {{"n_routed_experts", 4}});
  EXPECT_TRUE(Contains(ErrorOf(both), "add \"qk_norm\""));
  EXPECT_EQ(Parse(With(both, {{"qk_norm", true}})).architecture, Architecture::kMiniMind);
}

TEST(ModelConfig, ReadsMiniMindsScalingFlag) {
  const ModelConfig config = Parse(With(MiniMind3(), {{"inference_rope_scaling", true}}));
  EXPECT_EQ(config.rope.scaling, RopeScaling::kYarnMiniMind);
  EXPECT_EQ(config.rope.factor, 16.0);
  EXPECT_EQ(config.rope.original_max_positions, 2048);
  EXPECT_EQ(config.max_context(), 32768);
  const ModelConfig given = Parse(
      With(MiniMind2(), {{"inference_rope_scaling", true},
                         {"rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"beta_fast", 4}}}}));
  EXPECT_EQ(given.rope.factor, 4.0);
  EXPECT_EQ(given.rope.beta_fast, 4.0);
}

TEST(ModelConfig, ReadsRopeInOldAndNewForm) {
  const Json llama3{{"factor", 32.0},
                    {"low_freq_factor", 1.0},
                    {"high_freq_factor", 4.0},
                    {"original_max_position_embeddings", 8192},
                    {"rope_type", "llama3"}};
  const Json old_form{
      {"rope_theta", 500000.0}, {"max_position_embeddings", 131072}, {"rope_scaling", llama3}};
  const ModelConfig config = Parse(With(Small("llama"), old_form));
  EXPECT_EQ(config.rope.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(config.rope.factor, 32.0);
  EXPECT_EQ(config.rope.original_max_positions, 8192);
  EXPECT_EQ(config.max_context(), 131072);
  const Json new_form{{"max_position_embeddings", 131072},
                      {"rope_parameters", With(llama3, {{"rope_theta", 500000.0}})}};
  EXPECT_EQ(Parse(With(Small("llama"), new_form)).rope, config.rope);
  const Json plain{{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 1e6}}}};
  EXPECT_EQ(Parse(With(Small("qwen3"), plain)).rope.theta, 1e6);
  EXPECT_EQ(Parse(With(Small("qwen3"), plain)).rope.scaling, RopeScaling::kNone);
  const Json linear{{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}};
  EXPECT_EQ(Parse(With(Small("llama"), linear)).rope.factor, 2.0);
  EXPECT_EQ(Parse(With(Small("llama"), linear)).max_context(), 2048);
}

TEST(ModelConfig, ReadsYarn) {
  const auto rope = [](const Json& scaling) {
    return Parse(With(Small("qwen2"), {{"rope_scaling", scaling}})).rope;
  };
  const RopeConfig plain = rope({{"type", "yarn"}, {"factor", 4.0}});
  EXPECT_EQ(plain.scaling, RopeScaling::kYarn);
  EXPECT_EQ(plain.original_max_positions, 32768);
  EXPECT_EQ(plain.max_positions, 131072);
  EXPECT_EQ(plain.attention_factor, 0.0);
  EXPECT_TRUE(plain.truncate);
  EXPECT_FALSE(rope({{"type", "yarn"}, {"factor", 4.0}, {"truncate", false}}).truncate);
  const RopeConfig deepseek = rope({{"rope_type", "yarn"},
                                    {"factor", 40},
                                    {"mscale", 1.0},
                                    {"mscale_all_dim", 0.707},
                                    {"original_max_position_embeddings", 4096}});
  EXPECT_NEAR(deepseek.attention_factor,
              (0.1 * std::log(40.0) + 1.0) / (0.0707 * std::log(40.0) + 1.0), 1e-12);
  const RopeConfig derived =
      rope({{"rope_type", "yarn"}, {"original_max_position_embeddings", 8192}});
  EXPECT_EQ(derived.factor, 4.0);
}

TEST(ModelConfig, RefusesRopeItCannotCompute) {
  const auto error = [](const Json& changes) { return ErrorOf(With(Small("llama"), changes)); };
  for (const char* type : {"dynamic", "longrope", "mrope"}) {
    EXPECT_TRUE(Contains(error({{"rope_scaling", {{"type", type}, {"factor", 2}}}}),
                         "rope_scaling.rope_type is \"" + std::string(type) + "\", supported:"));
  }
  EXPECT_TRUE(Contains(error({{"partial_rotary_factor", 0.5}}), "partial_rotary_factor"));
  EXPECT_TRUE(
      Contains(error({{"rope_scaling", {{"type", "linear"}}}}), "rope_scaling.factor is missing"));
  EXPECT_TRUE(Contains(error({{"rope_scaling", {{"type", "linear"}, {"factor", 0.5}}}}),
                       "rope_scaling.factor is 0.5, expected 1.0 to 4096.0"));
  EXPECT_TRUE(
      Contains(error({{"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}}}),
               "differs by layer type"));
  EXPECT_TRUE(Contains(error({{"rope_theta", "1e6"}}), "rope_theta is \"1e6\""));
  EXPECT_TRUE(Contains(
      error(
          {{"rope_scaling",
            {{"type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 4}}}}),
      "high_freq_factor is not above"));
}

TEST(ModelConfig, ListsEverythingWrongAtOnce) {
  const std::string error = ErrorOf({{"model_type", "llama"},
                                     {"hidden_size", "64"},
                                     {"num_attention_heads", 6},
                                     {"num_key_value_heads", 4},
                                     {"vocab_size", 1e9},
                                     {"hidden_act", "gelu"},
                                     {"tie_word_embeddings", 1},
                                     {"quantization_config", {{"quant_method", "awq"}}}});
  for (const char* part :
       {"config.json: ", "hidden_size is \"64\", expected an integer",
        "num_hidden_layers is missing", "intermediate_size is missing",
        "num_key_value_heads is 4, which does not divide the heads, 6",
        "vocab_size is 1000000000, expected 2 to 4194304", "hidden_act is \"gelu\"",
        "tie_word_embeddings is 1, expected true or false", "quantization_config (awq)"}) {
    EXPECT_TRUE(Contains(error, part));
  }
}

TEST(ModelConfig, RefusesSizesThatKernelsCannotTake) {
  const auto error = [](const Json& changes) { return ErrorOf(With(Small("llama"), changes)); };
  EXPECT_TRUE(Contains(error({{"hidden_size", 65}}), "do not divide"));
  EXPECT_TRUE(Contains(error({{"hidden_size", 80}}), "head_dim is 20, expected a multiple of 8"));
  EXPECT_TRUE(Contains(error({{"head_dim", 12}}), "multiple of 8"));
  EXPECT_TRUE(Contains(error({{"hidden_size", -64}}), "hidden_size is -64"));
  EXPECT_TRUE(Contains(error({{"num_hidden_layers", 0}}), "num_hidden_layers is 0"));
  EXPECT_TRUE(Contains(error({{"num_hidden_layers", 1 << 30}}), "1 to 1024"));
  EXPECT_TRUE(Contains(error({{"rms_norm_eps", 0}}), "rms_norm_eps"));
  EXPECT_TRUE(Contains(error({{"intermediate_size", 9e15}}), "intermediate_size"));
  EXPECT_TRUE(
      Contains(MessageOf<FormatError>([] { ParseModelConfig("[]", "c"); }), "expected an object"));
  EXPECT_TRUE(Contains(MessageOf<FormatError>([] { ParseModelConfig("{", "c"); }), "JSON error"));
}

TEST(ModelConfig, IsReadBackFromItsOwnText) {
  const Json yarn{{"rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"truncate", false}}}};
  const Json window{{"sliding_window", 32}, {"use_sliding_window", true}, {"max_window_layers", 2}};
  const Json cases[] = {
      With(Small("llama"), {{"attention_bias", true}, {"mlp_bias", true}, {"rms_norm_eps", 1e-5}}),
      With(Small("llama"), {{"rope_scaling", {{"type", "llama3"}, {"factor", 8}}},
                            {"eos_token_id", {3, 4}},
                            {"bos_token_id", nullptr}}),
      With(Small("llama"), {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}}),
      With(Small("mistral"), {{"sliding_window", 16}}),
      With(Small("mistral"), {{"sliding_window", nullptr}}),
      With(With(Small("qwen2"), yarn), window),
      With(Small("qwen3"), {{"tie_word_embeddings", true}, {"pad_token_id", 0}}),
      With(Small("qwen3_moe"), {{"decoder_sparse_step", 2}, {"num_experts", 8}}),
      With(Small("qwen3_moe"), {{"num_experts", 0}}),
      MiniMind3(),
      With(MiniMind3(), {{"use_moe", true}, {"inference_rope_scaling", true}}),
      With(MiniMind3(), {{"rope_scaling", {{"type", "llama3"}, {"factor", 8}}}}),
      MiniMind2(),
      With(MiniMind2(), {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}}),
      With(MiniMind2(),
           {{"use_moe", true}, {"scoring_func", "sigmoid"}, {"num_experts_per_tok", 1}}),
  };
  for (const Json& json : cases) {
    const ModelConfig config = Parse(json);
    const std::string text = FormatModelConfig(config, DType::kBf16);
    EXPECT_EQ(ParseModelConfig(text, "written"), config) << text;
    EXPECT_EQ(FormatModelConfig(ParseModelConfig(text, "written"), DType::kBf16), text);
  }
  EXPECT_TRUE(Contains(FormatModelConfig(Parse(cases[0]), DType::kF32), "\"rms_norm_eps\": 1e-05"));
}

// Changed, dropped and doubled bytes of good files: each parses or is a FormatError.
TEST(ModelConfig, SurvivesMutations) {
  const Json cases[] = {
      With(MiniMind2(), {{"use_moe", true}, {"inference_rope_scaling", true}}),
      With(Small("qwen3_moe"), {{"rope_scaling", {{"type", "yarn"}, {"factor", 4}}},
                                {"mlp_only_layers", {1}},
                                {"use_sliding_window", true},
                                {"eos_token_id", {1, 2}}}),
  };
  int num_read = 0, num_refused = 0;
  const auto examine = [&](const std::string& text) {
    try {
      const ModelConfig config = ParseModelConfig(text, "mutant");
      num_read += config.num_parameters() > 0 ? 1 : 0;
    } catch (const FormatError&) {
      ++num_refused;
    }
  };
  for (const Json& json : cases) {
    const std::string good = json.dump();
    for (size_t at = 0; at < good.size(); ++at) {
      for (const char* replacement :
           {"", "0", "9", "-", "\"", "[", "}", "e", "null", "99", "\xff"}) {
        std::string mutant = good;
        examine(mutant.replace(at, 1, replacement));
      }
    }
  }
  EXPECT_GT(num_read, 500);
  EXPECT_GT(num_refused, 3000);
}

TEST(ApplyRopeScaling, ReplacesTheScaling) {
  ModelConfig config = Parse(Small("llama"));
  ApplyRopeScaling("linear:factor=2", config);
  EXPECT_EQ(config.rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(config.max_context(), 4096);
  ApplyRopeScaling("none", config);
  EXPECT_EQ(config.rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(config.rope.factor, 1.0);
  EXPECT_EQ(config.max_context(), 4096);
  config = Parse(Small("llama"));
  ApplyRopeScaling("yarn:factor=4,original=1024,beta_fast=16,truncate=0", config);
  EXPECT_EQ(config.rope.scaling, RopeScaling::kYarn);
  EXPECT_EQ(config.rope.original_max_positions, 1024);
  EXPECT_EQ(config.rope.beta_fast, 16.0);
  EXPECT_FALSE(config.rope.truncate);
  EXPECT_EQ(config.max_context(), 4096);
  ApplyRopeScaling("llama3:factor=2,low_freq_factor=2,high_freq_factor=8", config);
  EXPECT_EQ(config.rope.original_max_positions, 1024);
  EXPECT_EQ(config.rope.high_freq_factor, 8.0);
  EXPECT_EQ(config.rope.beta_fast, 32.0);
  EXPECT_EQ(config.max_context(), 4096);
}

TEST(ApplyRopeScaling, KnowsMiniMindsDefaults) {
  ModelConfig config = Parse(MiniMind2());
  ApplyRopeScaling("yarn-minimind", config);
  EXPECT_EQ(config.rope.factor, 16.0);
  EXPECT_EQ(config.rope.original_max_positions, 2048);
  ApplyRopeScaling("yarn-tutorial:factor=32", config);
  EXPECT_EQ(config.rope.scaling, RopeScaling::kYarnTutorial);
  EXPECT_EQ(config.rope.beta_fast, 4.0);
  EXPECT_EQ(config.max_context(), 65536);
}

TEST(ApplyRopeScaling, RefusesWhatItDoesNotKnow) {
  ModelConfig config = Parse(Small("llama"));
  const ModelConfig before = config;
  const auto error = [&](std::string_view option) {
    return MessageOf<ConfigError>([&] { ApplyRopeScaling(option, config); });
  };
  EXPECT_TRUE(Contains(error("yarm:factor=2"), "did you mean yarn?"));
  EXPECT_TRUE(Contains(error(""), "unknown form"));
  EXPECT_TRUE(Contains(error("linear"), "factor is missing"));
  EXPECT_TRUE(Contains(error("linear:2"), "is not key=value"));
  EXPECT_TRUE(Contains(error("linear:factor=x"), "factor is \"x\", expected a number"));
  EXPECT_TRUE(Contains(error("linear:factor=0.5"), "factor is \"0.5\""));
  EXPECT_TRUE(Contains(error("linear:factor=nan"), "factor is \"nan\""));
  EXPECT_TRUE(Contains(error("linear:beta_fast=2"), "linear has no parameter \"beta_fast\""));
  EXPECT_TRUE(Contains(error("yarn:facto=2"), "did you mean factor?"));
  EXPECT_TRUE(Contains(error("yarn:factor=2,beta_fast=1"), "beta_fast is not above"));
  EXPECT_TRUE(Contains(error("none:factor=2"), "none has no parameters"));
  EXPECT_EQ(config, before);
}

TEST(GenerationConfig, ReadsWhatIsThere) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(ReadGenerationConfig(directory.path()).eos_ids.empty());
  directory.Write("generation_config.json",
                  R"({"eos_token_id": [5, 6], "temperature": 0.7, "top_k": 20, "top_p": null})");
  const GenerationConfig config = ReadGenerationConfig(directory.path());
  EXPECT_EQ(config.eos_ids, (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(config.temperature, 0.7f);
  EXPECT_EQ(config.top_k, 20);
  EXPECT_EQ(config.top_p, std::nullopt);
  EXPECT_EQ(config.bos_id, std::nullopt);
  directory.Write("generation_config.json", R"({"temperature": -1, "top_p": 2})");
  const std::string error = MessageOf<FormatError>([&] { ReadGenerationConfig(directory.path()); });
  EXPECT_TRUE(Contains(error, "temperature is -1.0"));
  EXPECT_TRUE(Contains(error, "top_p is 2.0"));
}

TEST(ModelConfig, ReadsFilesOfADirectory) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(
      Contains(MessageOf<FormatError>([&] { ReadModelConfig(directory.path()); }), "config.json"));
  directory.Write("config.json", Small("llama").dump());
  EXPECT_EQ(ReadModelConfig(directory.path()).hidden_size, 64);
  directory.Write("config.json", "{}");
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { ReadModelConfig(directory.path()); }),
                       (directory / "config.json").string() + ": model_type is missing"));
}

TEST(ModelConfig, ReadsPublishedFiles) {
  const std::filesystem::path data = TANDEM_SOURCE_DIR "/../shared/data";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "no " << data;
  EXPECT_EQ(ReadModelConfig(data / "models/stories260K").num_parameters(), 260'032);
  const ModelConfig random = ReadModelConfig(data / "models/arithmetic-random");
  EXPECT_EQ(random.bos_id, std::nullopt);
  EXPECT_EQ(random.pad_id, 2);
  const ModelConfig qwen2 = ReadModelConfig(data / "tokenizers/qwen2");
  EXPECT_EQ(qwen2.num_parameters(), 1'543'714'304);
  EXPECT_EQ(qwen2.windows, std::vector<int64_t>(28, 0));
}

}  // namespace
}  // namespace tandem
