#include "trainer/cli/evaluate.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/trainer/evaluation/golden_evaluation.h"

namespace tandem {
namespace {

CommandOutcome RunEvaluate(std::vector<std::string> arguments) {
  return RunInProcess("tandem-train", Evaluate, std::move(arguments));
}

TEST(EvaluateCommand, ComparesTwoModelsAndWritesTheirFigures) {
  const GoldenEvaluationModel llama("llama");
  const GoldenEvaluationModel mixture("qwen3_moe");
  const TemporaryDirectory directory;
  const std::string json_path = (directory / "figures.json").string();
  const CommandOutcome done = RunEvaluate(
      {GoldenEvaluationFile("texts.txt").string(), GoldenEvaluationFile("texts.jsonl").string(),
       "--model", llama.path().string(), "--dtype", "f32", "--compare", mixture.path().string(),
       "--separator", "***", "--context", "24", "--stride", "7", "--json", json_path});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(Contains(done.out, "bits per byte"));
  EXPECT_TRUE(Contains(done.out, "all texts"));
  EXPECT_TRUE(Contains(done.out, "    1-15"));
  const auto json = nlohmann::json::parse(directory.Read("figures.json"));
  ASSERT_EQ(json.at("models").size(), 2u);
  const char* names[] = {"llama", "qwen3_moe"};
  for (size_t m = 0; m < 2; ++m) {
    const auto& model = json.at("models")[m];
    const double expected = GoldenEvaluation(names[m]).at("texts")[2].at("bits_per_byte");
    EXPECT_EQ(model.at("dtype"), "f32");
    EXPECT_EQ(model.at("stride"), 7);
    ASSERT_EQ(model.at("texts").size(), 2u);
    EXPECT_NEAR(model.at("texts")[1].at("bits_per_byte"), expected, 1e-5 * expected);
    EXPECT_NEAR(model.at("all_texts").at("bits_per_byte"), expected, 1e-5 * expected);
    EXPECT_TRUE(Contains(
        done.out,
        std::to_string(model.at("all_texts").at("bits_per_byte").get<double>()).substr(0, 6)));
  }
}

TEST(EvaluateCommand, SaysThatTheDeviceIsNotThere) {
  const GoldenEvaluationModel llama("llama");
  const CommandOutcome done = RunEvaluate({GoldenEvaluationFile("texts.txt").string(), "--model",
                                           llama.path().string(), "--device", "cuda"});
  EXPECT_NE(done.status, 0);
  EXPECT_TRUE(Contains(done.err, "CUDA")) << done.err;
}

TEST(EvaluateCommand, ComparesAModelWithItselfInAnotherDtype) {
  const GoldenEvaluationModel llama("llama");
  const CommandOutcome done = RunEvaluate({GoldenEvaluationFile("texts.txt").string(), "--model",
                                           llama.path().string(), "--compare-dtype", "int8"});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(Contains(done.out, "bf16"));
  EXPECT_TRUE(Contains(done.out, "int8"));
}

TEST(EvaluateCommand, ComparesRopeScalings) {
  const GoldenEvaluationModel llama("llama");
  const CommandOutcome done =
      RunEvaluate({GoldenEvaluationFile("texts.txt").string(), "--model", llama.path().string(),
                   "--compare-rope-scaling", "linear:factor=2", "--context", "200", "--json",
                   (llama.path() / "figures.json").string()});
  ASSERT_EQ(done.status, 0) << done.err;
  const auto models = nlohmann::json::parse(llama.directory().Read("figures.json")).at("models");
  EXPECT_EQ(models[1].at("rope_scaling"), "linear:factor=2");
  EXPECT_NE(models[0].at("all_texts").at("loss"), models[1].at("all_texts").at("loss"));
}

TEST(EvaluateCommand, RefusesWhatCannotWork) {
  const GoldenEvaluationModel llama("llama");
  const std::string model = llama.path().string();
  const std::string texts = GoldenEvaluationFile("texts.txt").string();
  EXPECT_TRUE(Contains(RunEvaluate({"--model", model}).err, "nothing to evaluate"));
  EXPECT_EQ(RunEvaluate({texts}).status, kExitUsage);
  const CommandOutcome second =
      RunEvaluate({texts, "--model", model, "--compare", "nowhere", "--dtype", "f32"});
  EXPECT_TRUE(Contains(second.err, "nowhere"));
  EXPECT_EQ(second.out, "");
  EXPECT_TRUE(Contains(RunEvaluate({texts, "--model", model, "--context", "257"}).err, "256"));
  const auto tokenizer = std::filesystem::path(TANDEM_SOURCE_DIR) / "tests/golden/text/byte_level";
  std::filesystem::copy_file(tokenizer / "tokenizer.json", llama.path() / "tokenizer.json",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(Contains(RunEvaluate({texts, "--model", model}).err, "do not belong together"));
}

}  // namespace
}  // namespace tandem
