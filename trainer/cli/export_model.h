#pragma once
// The knobs of `tandem-train export`, and the command.

#include <filesystem>
#include <optional>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"
#include "kernels/core/dtype.h"

namespace tandem {

enum class ExportFormat : uint8_t {
  kHuggingFace,    // a directory that transformers loads unchanged
  kSame,           // a directory of the model's own architecture
  kMiniMind,       // a .pth file of minimind-3
  kMiniMind2,      // of MiniMind2
  kMiniMindFirst,  // of MiniMind's first code, to April 2025
};

struct ExportOptions {
  std::filesystem::path model;
  std::filesystem::path output;
  ExportFormat format = ExportFormat::kHuggingFace;
  std::optional<DType> dtype;  // of the file; none: as stored, and f16 for .pth
  bool overwrite = false;
  int64_t threads = 0;
};

void AddExportSettings(Settings& settings, ExportOptions& options);

int ExportModel(const CommandLine& line);

}  // namespace tandem
