// Every file under configs/ is loaded by a test: here, that it is well-formed.

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/repo/source_tree.h"

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

std::string ConfigError(const std::string& extension, const std::string& text) {
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

TEST(Configs, EveryFileIsWellFormed) {
  const std::filesystem::path folder = std::filesystem::path(TANDEM_SOURCE_DIR) / "configs";
  size_t num_files = 0;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".yaml" && extension != ".yml" && extension != ".json") continue;
      ++num_files;
      EXPECT_EQ(ConfigError(extension, ReadText(entry.path())), "") << entry.path();
    }
  }
  if (num_files == 0) GTEST_SKIP() << "configs/ holds no files yet";
}

TEST(Configs, BadFilesAreFound) {
  EXPECT_EQ(ConfigError(".yaml", "port: 8080\nmodel: x\n"), "");
  EXPECT_NE(ConfigError(".yaml", "port: [8080\n"), "");
  EXPECT_NE(ConfigError(".yaml", "just text\n"), "");
  EXPECT_EQ(ConfigError(".yaml", "a: {b: 1, b: 2}\n"), "has the key 'b' twice");
  EXPECT_EQ(ConfigError(".json", "{\"a\": 1}"), "");
  EXPECT_NE(ConfigError(".json", "{\"a\": 1,}"), "");
}

}  // namespace
}  // namespace tandem
