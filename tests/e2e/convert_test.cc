// `tandem convert` there and back: the model that returns predicts with the same bits.

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/e2e/program.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

const std::string kBin = std::string(TANDEM_BUILD_DIR) + "/bin/";

std::string Output(std::vector<std::string> command) {
  command.front() = kBin + command.front();
  Program program(command);
  EXPECT_EQ(program.Wait(), 0) << program.text();
  return program.text();
}

TEST(ConvertProgram, MovesAModelToPyTorchAndBack) {
  const TemporaryDirectory base;
  const std::filesystem::path golden = std::string(TANDEM_SOURCE_DIR) + "/tests/golden";
  const std::filesystem::path model = base / "model";
  std::filesystem::copy(golden / "models/minimind3", model);
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy_file(golden / "evaluation" / file, model / file);
  }
  const std::string pth = (base / "model.pth").string();
  const std::string back = (base / "back").string();
  const std::string written = Output(
      {"tandem", "convert", "--model", model.string(), "--output", pth, "--format", "minimind"});
  EXPECT_NE(written.find("hidden_size 48"), std::string::npos) << written;
  Output({"tandem", "convert", "--from", pth, "--tokenizer", model.string(), "--output", back});
  Output({"tandem", "train", "evaluate", (golden / "evaluation/texts.txt").string(), "--model",
          model.string(), "--compare", back, "--json", (base / "figures.json").string()});
  const auto models = nlohmann::json::parse(base.Read("figures.json")).at("models");
  EXPECT_EQ(models[0].at("texts")[0].at("loss"), models[1].at("texts")[0].at("loss"));
  EXPECT_GT(models[0].at("texts")[0].at("loss").get<double>(), 0.0);
}

}  // namespace
}  // namespace tandem
