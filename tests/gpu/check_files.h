#pragma once
// Files that are compiled into `check`, so that it needs nothing beside itself: a model's config
// and tokenizer, a workload, and a script.

#include <filesystem>
#include <span>
#include <string>

#include "api/routes/page_files.h"

namespace tandem {

// Made by cmake/embed_files.cmake.
std::span<const PageFile> CheckFiles();

// Writes the file of that name into the folder. Returns its path.
std::filesystem::path WriteCheckFile(const std::string& name, const std::filesystem::path& folder,
                                     const std::string& as = "");

}  // namespace tandem
