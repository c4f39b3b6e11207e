// Every file under configs/ is loaded by a test: that it is well-formed, in configs/serve that the
// settings of `tandem serve` take it, in configs/train that those of tandem-train do, and in
// configs/models that it is a model of its published size.

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/cli/serve_options.h"
#include "engine/base/settings.h"
#include "engine/config/model_config.h"
#include "kernels/core/error.h"
#include "tests/repo/source_tree.h"
#include "tests/support/temporary_directory.h"
#include "trainer/cli/train_model.h"

namespace tandem {
namespace {

// What is wrong with a YAML or JSON text, or nothing. A key given twice is an error too: the
// parsers would silently keep one.
std::string DuplicateKey(const YAML::Node& node) {
  if (node.IsMap()) {
    std::set<std::string> keys;
    for (const auto& item : node) {
      const std::string key = item.first.as<std::string>();
      if (!keys.insert(key).second) return key;
      if (std::string inner = DuplicateKey(item.second); !inner.empty()) return inner;
    }
  } else if (node.IsSequence()) {
    for (const YAML::Node& item : node) {
      if (std::string inner = DuplicateKey(item); !inner.empty()) return inner;
    }
  }
  return "";
}

std::string ProblemOfForm(const std::string& extension, const std::string& text) {
  try {
    if (extension == ".json") return nlohmann::json::parse(text).is_null() ? "is null" : "";
    const YAML::Node node = YAML::Load(text);
    if (!node.IsMap()) return "is not a map of settings";
    const std::string key = DuplicateKey(node);
    return key.empty() ? "" : "has the key '" + key + "' twice";
  } catch (const std::exception& error) {
    return error.what();
  }
}

const std::filesystem::path kConfigs = std::filesystem::path(TANDEM_SOURCE_DIR) / "configs";

// What `tandem serve` says about the file, or nothing.
std::string ProblemOfServe(const std::filesystem::path& file) {
  ServeOptions options;
  Settings settings("tandem serve", "");
  AddServeSettings(settings, options);
  try {
    settings.Parse({.arguments = {"--config", file.string()}, .variables = {}});
    CheckExposure(options, options.api_keys);
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(Configs, EveryFileIsWellFormed) {
  const std::filesystem::path& folder = kConfigs;
  size_t num_files = 0;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".yaml" && extension != ".yml" && extension != ".json") continue;
      ++num_files;
      EXPECT_EQ(ProblemOfForm(extension, ReadText(entry.path())), "") << entry.path();
    }
  }
  if (num_files == 0) GTEST_SKIP() << "configs/ holds no files yet";
}

TEST(Configs, ServeTakesItsFiles) {
  size_t num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kConfigs / "serve")) {
    ++num_files;
    EXPECT_EQ(entry.path().extension(), ".yaml") << entry.path();
    EXPECT_EQ(ProblemOfServe(entry.path()), "");
  }
  EXPECT_GE(num_files, 2u);
}

TEST(Configs, ServeNamesAWrongKeyAndAnOpenHost) {
  const TemporaryDirectory directory;
  EXPECT_NE(ProblemOfServe(directory.Write("a.yaml", "max-num-seq: 4\n")).find("max-num-seqs"),
            std::string::npos);
  EXPECT_NE(ProblemOfServe(directory.Write("b.yaml", "port: 70000\n")).find("65535"),
            std::string::npos);
  EXPECT_NE(ProblemOfServe(directory.Write("c.yaml", "host: 0.0.0.0\n")).find("--api-key"),
            std::string::npos);
}

// What `tandem-train pretrain` or `sft` says about the file, or nothing; both have one table.
std::string ProblemOfTraining(const std::filesystem::path& file) {
  TrainingRunOptions options;
  Settings settings("tandem-train", "");
  AddTrainingSettings(settings, options);
  try {
    settings.Parse({.arguments = {"data.jsonl", "--output", "out", "--config", file.string()},
                    .variables = {}});
  } catch (const ConfigError& error) {
    return error.what();
  }
  if (options.model_config.empty()) return "";
  const std::filesystem::path model =
      std::filesystem::path(TANDEM_SOURCE_DIR) / options.model_config;
  return std::filesystem::exists(model) ? "" : "there is no " + model.string();
}

TEST(Configs, TrainTakesItsFiles) {
  size_t num_files = 0;
  for (const char* folder : {"train", "train/default"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kConfigs / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      ++num_files;
      const std::string stem = entry.path().stem();
      EXPECT_TRUE(stem.ends_with("pretrain") || stem.ends_with("sft"))
          << entry.path() << " names no command";
      EXPECT_EQ(ProblemOfTraining(entry.path()), "");
    }
  }
  EXPECT_GE(num_files, 11u);
}

TEST(Configs, TrainNamesAWrongValue) {
  const TemporaryDirectory directory;
  EXPECT_NE(ProblemOfTraining(directory.Write("a.yaml", "too-long: shorten\n")).find("split"),
            std::string::npos);
  EXPECT_NE(ProblemOfTraining(directory.Write("b.yaml", "model-config: nowhere.json\n")).find("no"),
            std::string::npos);
}

TEST(Configs, ModelsHaveTheirPublishedSizes) {
  const std::map<std::string, int64_t> sizes = {
      {"minimind2-26m", 25'829'888},       {"minimind2-104m", 104'030'976},
      {"minimind2-moe-145m", 145'029'760}, {"minimind3-64m", 63'912'192},
      {"minimind3-moe-198m", 198'416'640}, {"default", 10'410'304}};
  for (const auto& entry : std::filesystem::directory_iterator(kConfigs / "models")) {
    const std::string name = entry.path().stem();
    ASSERT_TRUE(sizes.contains(name)) << entry.path() << " has no size in this test";
    const ModelConfig config = entry.is_directory()
                                   ? ReadModelConfig(entry.path())
                                   : ParseModelConfig(ReadText(entry.path()), name);
    EXPECT_EQ(config.num_parameters(), sizes.at(name)) << name;
  }
}

TEST(Configs, BadFilesAreFound) {
  EXPECT_EQ(ProblemOfForm(".yaml", "port: 8080\nmodel: x\n"), "");
  EXPECT_NE(ProblemOfForm(".yaml", "port: [8080\n"), "");
  EXPECT_NE(ProblemOfForm(".yaml", "just text\n"), "");
  EXPECT_EQ(ProblemOfForm(".yaml", "a: {b: 1, b: 2}\n"), "has the key 'b' twice");
  EXPECT_EQ(ProblemOfForm(".json", "{\"a\": 1}"), "");
  EXPECT_NE(ProblemOfForm(".json", "{\"a\": 1,}"), "");
}

}  // namespace
}  // namespace tandem
