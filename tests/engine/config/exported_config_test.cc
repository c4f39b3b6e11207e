#include "engine/config/exported_config.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

ModelConfig Golden(const std::string& name) {
  return ReadModelConfig(std::filesystem::path(TANDEM_SOURCE_DIR) / "tests/golden/models" / name);
}

TEST(ExportedConfig, ForTransformersHasAnArchitectureThatItKnows) {
  EXPECT_EQ(ForTransformers(Golden("minimind3")).architecture, Architecture::kQwen3);
  EXPECT_EQ(ForTransformers(Golden("minimind3_moe")).architecture, Architecture::kQwen3Moe);
  EXPECT_EQ(ForTransformers(Golden("minimind2")).architecture, Architecture::kLlama);
  for (const char* same : {"llama", "mistral", "qwen2_window", "qwen3", "qwen3_moe_mixed"}) {
    EXPECT_EQ(ForTransformers(Golden(same)), Golden(same)) << same;
  }
}

TEST(ExportedConfig, ForTransformersIsReadBackAsItself) {
  for (const char* name : {"minimind3", "minimind3_moe", "minimind2"}) {
    const ModelConfig exported = ForTransformers(Golden(name));
    ModelConfig read = ParseModelConfig(FormatModelConfig(exported, DType::kF16), name);
    read.norm_cast = exported.norm_cast;  // where a product is rounded in bf16
    EXPECT_EQ(read, exported) << name;
  }
}

TEST(ExportedConfig, ForTransformersRefusesWhatItDoesNotCompute) {
  const auto refusal = [](const char* name) {
    return MessageOf<ConfigError>([&] { ForTransformers(Golden(name)); });
  };
  EXPECT_TRUE(Contains(refusal("minimind2_moe"), "2 shared experts"));
  EXPECT_TRUE(Contains(refusal("minimind3_yarn"), "MiniMind's own YaRN"));
  ModelConfig idle = Golden("minimind3_yarn");  // its table is no longer than the original one
  idle.rope.max_positions = idle.rope.original_max_positions;
  EXPECT_EQ(ForTransformers(idle).rope.scaling, RopeScaling::kNone);
}

TEST(ExportedConfig, ForMiniMindRefusesWhatThatGenerationDoesNotCompute) {
  EXPECT_EQ(ForMiniMind(Golden("qwen3"), Architecture::kMiniMind).architecture,
            Architecture::kMiniMind);
  EXPECT_EQ(ForMiniMind(Golden("llama_tied"), Architecture::kMiniMind2).architecture,
            Architecture::kMiniMind2);
  for (const char* own : {"minimind3", "minimind3_moe", "minimind3_yarn"}) {
    EXPECT_EQ(ForMiniMind(Golden(own), Architecture::kMiniMind), Golden(own)) << own;
  }
  struct Case {
    const char* name;
    Architecture generation;
    const char* reason;
  };
  for (const Case& refused : {Case{"minimind2", Architecture::kMiniMind, "no q and k norm"},
                              Case{"minimind3", Architecture::kMiniMind2, "q and k norm"},
                              Case{"llama", Architecture::kMiniMind2, "an output head"},
                              Case{"qwen2", Architecture::kMiniMind2, "biases"},
                              Case{"qwen3_moe", Architecture::kMiniMind, "an output head"}}) {
    EXPECT_TRUE(Contains(
        MessageOf<ConfigError>([&] { ForMiniMind(Golden(refused.name), refused.generation); }),
        refused.reason))
        << refused.name;
  }
  ModelConfig scaled = Golden("llama_tied");
  scaled.rope.scaling = RopeScaling::kLinear;
  scaled.rope.factor = 2.0;
  EXPECT_TRUE(
      Contains(MessageOf<ConfigError>([&] { ForMiniMind(scaled, Architecture::kMiniMind2); }),
               "RoPE scaling"));
}

}  // namespace
}  // namespace tandem
