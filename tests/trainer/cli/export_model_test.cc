#include "trainer/cli/export_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "engine/config/model_config.h"
#include "engine/weights/pth.h"
#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

std::string Golden(const std::string& model) {
  return std::string(TANDEM_SOURCE_DIR) + "/tests/golden/models/" + model;
}

CommandOutcome Export(std::vector<std::string> arguments) {
  return RunInProcess("tandem-train", ExportModel, std::move(arguments));
}

void ExpectSameTensors(const TensorTable& a, const TensorTable& b) {
  ASSERT_EQ(a.entries().size(), b.entries().size());
  for (const auto& [name, entry] : a.entries()) {
    const auto* other = b.Find(name);
    ASSERT_NE(other, nullptr) << name;
    ASSERT_EQ(entry.view.dtype(), other->view.dtype()) << name;
    ASSERT_EQ(entry.view.shape(), other->view.shape()) << name;
    EXPECT_EQ(std::memcmp(entry.view.bytes(), other->view.bytes(),
                          static_cast<size_t>(entry.view.size_bytes())),
              0)
        << name;
  }
}

TEST(ExportCommand, WritesTheBytesThatWereReadUnderAnArchitectureOfTransformers) {
  const TemporaryDirectory directory;
  const std::string output = (directory / "out").string();
  const CommandOutcome done = Export({"--model", Golden("minimind2"), "--output", output});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(Contains(done.out, "minimind2, as llama in f16"));
  EXPECT_EQ(ReadModelConfig(output).architecture, Architecture::kLlama);
  ExpectSameTensors(ReadSafetensors(output), ReadSafetensors(Golden("minimind2")));
}

TEST(ExportCommand, WritesAPthWithTheTiedHead) {
  const TemporaryDirectory directory;
  const std::string output = (directory / "out.pth").string();
  const CommandOutcome done = Export({"--model", Golden("minimind3_moe"), "--output", output,
                                      "--format", "minimind", "--dtype", "bf16"});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(Contains(done.out, "num_hidden_layers 2"));
  ExpectSameTensors(ReadPth(output).tensors, ReadSafetensors(Golden("minimind3_moe")));
}

TEST(ExportCommand, KeepsTheArchitectureAndTakesTheTokenizerAlong) {
  const TemporaryDirectory directory;
  const fs::path model = directory / "model";
  fs::copy(Golden("minimind3_yarn"), model);
  fs::copy(std::string(TANDEM_SOURCE_DIR) + "/tests/golden/text/byte_level", model);
  const std::string output = (directory / "out").string();
  const CommandOutcome done =
      Export({"--model", model.string(), "--output", output, "--format", "same", "--dtype", "f32"});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(ReadModelConfig(output), ReadModelConfig(model));
  EXPECT_TRUE(fs::exists(fs::path(output) / "tokenizer.json"));
}

TEST(ExportCommand, ReplacesNothingUnlessTold) {
  const TemporaryDirectory directory;
  directory.Write("config.json", "precious");
  const std::string output = directory.path().string();
  const CommandOutcome refused = Export({"--model", Golden("llama"), "--output", output});
  EXPECT_EQ(refused.status, kExitUsage);
  EXPECT_TRUE(Contains(refused.err, "is there already; give another, or --overwrite"));
  EXPECT_EQ(directory.Read("config.json"), "precious");
  EXPECT_EQ(Export({"--model", Golden("llama"), "--output", output, "--overwrite"}).status, 0);
  EXPECT_EQ(ReadModelConfig(output), ReadModelConfig(Golden("llama")));

  const std::string file = directory.Write("a.pth", "precious").string();
  EXPECT_EQ(
      Export({"--model", Golden("minimind2"), "--output", file, "--format", "minimind2"}).status,
      kExitUsage);
  EXPECT_EQ(directory.Read("a.pth"), "precious");
}

TEST(ExportCommand, RefusesWhatCannotWork) {
  const TemporaryDirectory directory;
  const std::string output = (directory / "out").string();
  EXPECT_TRUE(Contains(Export({"--model", Golden("minimind2_moe"), "--output", output}).err,
                       "2 shared experts"));
  EXPECT_TRUE(Contains(
      Export({"--model", Golden("minimind2"), "--output", output, "--format", "minimind2"}).err,
      "ends in .pth"));
  EXPECT_TRUE(Contains(
      Export({"--model", Golden("llama"), "--output", Golden("llama") + "/.", "--overwrite"}).err,
      "--model itself"));
  EXPECT_TRUE(
      Contains(Export({"--model", (directory / "none").string(), "--output", output}).err, "none"));
  EXPECT_FALSE(fs::exists(output));
}

}  // namespace
}  // namespace tandem
