#pragma once
// The knobs of `tandem-train import`, and the command.

#include <filesystem>
#include <optional>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"
#include "engine/weights/minimind_shape.h"

namespace tandem {

struct ImportOptions {
  std::filesystem::path from;
  std::filesystem::path output;
  std::filesystem::path model_config;  // empty: as the tensors' shapes and `shape` say
  std::filesystem::path tokenizer;     // directory; empty: none goes along
  MiniMindSettings shape;
  std::optional<DType> dtype;
  bool overwrite = false;
  int64_t threads = 0;
};

void AddImportSettings(Settings& settings, ImportOptions& options);

int ImportModel(const CommandLine& line);

}  // namespace tandem
