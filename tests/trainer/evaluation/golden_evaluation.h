#pragma once
// The golden models with a tokenizer that fits them, and what PyTorch finds of its texts
// (tests/golden/make_evaluation.py).

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/temporary_directory.h"
#include "trainer/evaluation/sequence_scorer.h"

namespace tandem {

inline std::filesystem::path GoldenEvaluationFile(const std::string& name) {
  return std::filesystem::path(TANDEM_SOURCE_DIR) / "tests/golden/evaluation" / name;
}

// A model directory of a golden model's files and the tokenizer's.
class GoldenEvaluationModel {
 public:
  explicit GoldenEvaluationModel(const std::string& name) {
    const auto golden = std::filesystem::path(TANDEM_SOURCE_DIR) / "tests/golden/models" / name;
    for (const char* file : {"config.json", "model.safetensors"}) {
      std::filesystem::copy_file(golden / file, directory_ / file);
    }
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
      std::filesystem::copy_file(GoldenEvaluationFile(file), directory_ / file);
    }
  }
  const std::filesystem::path& path() const { return directory_.path(); }
  const TemporaryDirectory& directory() const { return directory_; }

 private:
  TemporaryDirectory directory_;
};

inline nlohmann::json GoldenEvaluation(const std::string& model) {
  std::ifstream file(GoldenEvaluationFile("expected.json"));
  return nlohmann::json::parse(file).at(model);
}

}  // namespace tandem
