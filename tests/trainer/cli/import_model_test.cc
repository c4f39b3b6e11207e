#include "trainer/cli/import_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "engine/weights/safetensors.h"
#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"
#include "trainer/cli/export_model.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(TANDEM_SOURCE_DIR) + "/tests/golden/";

CommandOutcome Import(std::vector<std::string> arguments) {
  return RunInProcess("tandem-train", ImportModel, std::move(arguments));
}

// Of `expected` without the tied head, which a directory leaves out.
void ExpectTensors(const fs::path& directory, const TensorTable& expected) {
  const TensorTable table = ReadSafetensors(directory);
  for (const auto& [name, entry] : expected.entries()) {
    if (name == "lm_head.weight") continue;
    const auto* found = table.Find(name);
    ASSERT_NE(found, nullptr) << name;
    ASSERT_EQ(found->view.dtype(), entry.view.dtype()) << name;
    ASSERT_EQ(found->view.size_bytes(), entry.view.size_bytes()) << name;
    EXPECT_EQ(std::memcmp(found->view.bytes(), entry.view.bytes(),
                          static_cast<size_t>(entry.view.size_bytes())),
              0)
        << name;
  }
}

TEST(ImportCommand, MakesTheModelThatWasExported) {
  for (const char* name : {"minimind3", "minimind3_moe", "minimind2", "minimind2_moe"}) {
    const TemporaryDirectory directory;
    const std::string pth = (directory / "a.pth").string();
    const std::string model = kGolden + "models/" + name;
    const ModelConfig expected = ReadModelConfig(model);
    const bool is_third = expected.architecture == Architecture::kMiniMind;
    ASSERT_EQ(RunInProcess("tandem-train", ExportModel,
                           {"--model", model, "--output", pth, "--format",
                            is_third ? "minimind" : "minimind2", "--dtype", "auto"})
                  .status,
              0);
    const CommandOutcome done =
        Import({"--from", pth, "--output", (directory / "b").string(), "--num-attention-heads",
                std::to_string(expected.num_heads), "--rope-theta", "1e6", "--dtype", "f32"});
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(ReadModelConfig(directory / "b"), expected) << name;
  }
}

TEST(ImportCommand, BringsTheFirstCodesFilesToTodaysForm) {
  const TemporaryDirectory directory;
  const CommandOutcome done =
      Import({"--from", kGolden + "pth/first_minimind2.pth", "--output", (directory / "a").string(),
              "--model-config", kGolden + "models/minimind2/config.json"});
  ASSERT_EQ(done.status, 0) << done.err;
  ExpectTensors(directory / "a", ReadSafetensors(kGolden + "models/minimind2"));
  const CommandOutcome mixture =
      Import({"--from", kGolden + "pth/first_minimind2_moe.pth", "--output",
              (directory / "b").string(), "--num-attention-heads", "3"});
  ASSERT_EQ(mixture.status, 0) << mixture.err;
  EXPECT_TRUE(Contains(mixture.out, "3 heads, RoPE theta 1e+06, context 32768, 2 experts"));
  ExpectTensors(directory / "b",
                ReadSafetensorsFile(kGolden + "pth/first_minimind2_moe.safetensors"));
}

TEST(ImportCommand, TakesBackTheFirstCodesFilesThatWeWrite) {
  const TemporaryDirectory directory;
  const std::string pth = (directory / "a.pth").string();
  const std::string model = kGolden + "models/minimind2";
  const CommandOutcome out =
      RunInProcess("tandem-train", ExportModel,
                   {"--model", model, "--output", pth, "--format", "minimind-first"});
  ASSERT_EQ(out.status, 0) << out.err;
  const CommandOutcome in = Import({"--from", pth, "--output", (directory / "b").string(),
                                    "--num-attention-heads", "4", "--rope-theta", "1e6"});
  ASSERT_EQ(in.status, 0) << in.err;
  ExpectTensors(directory / "b", ReadSafetensors(model));
  EXPECT_EQ(ReadModelConfig(directory / "b"), ReadModelConfig(model));
  EXPECT_TRUE(Contains(RunInProcess("tandem-train", ExportModel,
                                    {"--model", model + "_moe", "--output",
                                     (directory / "c.pth").string(), "--format", "minimind-first"})
                           .err,
                       "2 shared experts"));
}

TEST(ImportCommand, RefusesByNameWhatACheckpointDoesNotNeed) {
  const TemporaryDirectory directory;
  const std::string output = (directory / "out").string();
  const CommandOutcome module =
      Import({"--from", kGolden + "pth/whole_module.pth", "--output", output});
  EXPECT_EQ(module.status, kExitUsage);
  EXPECT_TRUE(Contains(module.err, "torch.nn.modules.container.Sequential"));
  EXPECT_TRUE(Contains(Import({"--from", kGolden + "pth/resume.pth", "--output", output}).err,
                       "embed_tokens"));
  EXPECT_TRUE(Contains(
      Import({"--from", kGolden + "pth/first_minimind2.pth", "--output", output, "--model-config",
              kGolden + "models/minimind2/config.json", "--rope-theta", "1e4"})
          .err,
      "--rope-theta and --model-config"));
  EXPECT_FALSE(fs::exists(output));
}

TEST(ImportCommand, ReplacesNothingUnlessTold) {
  const TemporaryDirectory directory;
  directory.Write("notes.txt", "precious");
  const std::vector<std::string> arguments = {"--from",
                                              kGolden + "pth/first_minimind2.pth",
                                              "--output",
                                              directory.path().string(),
                                              "--num-attention-heads",
                                              "4"};
  EXPECT_TRUE(Contains(Import(arguments).err, "--overwrite"));
  std::vector<std::string> told = arguments;
  told.push_back("--overwrite");
  EXPECT_EQ(Import(told).status, 0);
  EXPECT_EQ(directory.Read("notes.txt"), "precious");
}

}  // namespace
}  // namespace tandem
