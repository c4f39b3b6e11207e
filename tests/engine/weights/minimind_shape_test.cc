#include "engine/weights/minimind_shape.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/weights/pth.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden";

TEST(MiniMindShape, OfGoldenModelsIsTheirConfig) {
  for (const char* name : {"minimind3", "minimind3_moe", "minimind2", "minimind2_moe"}) {
    const ModelConfig expected = ReadModelConfig(kGolden / "models" / name);
    const TensorTable table = ReadSafetensors(kGolden / "models" / name);
    const ModelConfig config = MiniMindConfigOf(
        table, {.num_heads = expected.num_heads, .rope_theta = expected.rope.theta}, name);
    EXPECT_EQ(config, expected) << name;
  }
}

TEST(MiniMindShape, OfTheFirstCodeIsReadUnderItsNames) {
  const ModelConfig expected = ReadModelConfig(kGolden / "models/minimind2");
  const PthFile file = ReadPth(kGolden / "pth/first_minimind2.pth");
  ModelConfig config = MiniMindConfigOf(file.tensors, {.num_heads = 4}, "x");
  EXPECT_EQ(config.rope.theta, 1e4);  // half as many kv heads: the release of 2024
  config.rope.theta = expected.rope.theta;
  EXPECT_EQ(config, expected);
  const PthFile mixture = ReadPth(kGolden / "pth/first_minimind2_moe.pth");
  const ModelConfig of_mixture = MiniMindConfigOf(mixture.tensors, {.num_heads = 3}, "x");
  EXPECT_EQ(of_mixture.moe.num_experts, 4);
  EXPECT_EQ(of_mixture.moe.num_shared, 1);
  EXPECT_EQ(of_mixture.num_layers, 1);
}

TEST(MiniMindShape, TakesWhatItIsTold) {
  const TensorTable table = ReadSafetensors(kGolden / "models/minimind2_moe");
  const ModelConfig config = MiniMindConfigOf(
      table,
      {.num_heads = 3, .rope_theta = 5e5, .top_k = 1, .max_positions = 512, .norm_eps = 1e-4}, "x");
  EXPECT_EQ(config.rope.theta, 5e5);
  EXPECT_EQ(config.moe.top_k, 1);
  EXPECT_EQ(config.max_context(), 512);
  EXPECT_FLOAT_EQ(config.norm_eps, 1e-4f);
}

TEST(MiniMindShape, SaysWhatIsMissingOrDoesNotFit) {
  const PthFile other = ReadPth(kGolden / "pth/tensors.pth");
  EXPECT_TRUE(
      Contains(MessageOf<FormatError>([&] { MiniMindConfigOf(other.tensors, {}, "x.pth"); }),
               "x.pth: there is no matrix model.embed_tokens.weight"));
  const TensorTable table = ReadSafetensors(kGolden / "models/minimind2_moe");
  EXPECT_TRUE(
      Contains(MessageOf<FormatError>([&] { MiniMindConfigOf(table, {.num_heads = 7}, "x"); }),
               "--num-attention-heads"));
}

}  // namespace
}  // namespace tandem
