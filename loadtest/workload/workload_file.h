#pragma once
// A Workload in a YAML file; configs/load has commented ones, and loadtest/README.md every key.
// FormatErrors name the file, the line, the key, and what it must be.

#include <filesystem>
#include <string>

#include "loadtest/workload/workload.h"

namespace tandem {

// Files that it names are looked for beside it.
Workload ReadWorkload(const std::filesystem::path& file);

// Prompts, one a line; of *.jsonl, each line's "prompt", "text", or first message or turn.
std::vector<std::string> ReadPrompts(const std::filesystem::path& file);

}  // namespace tandem
