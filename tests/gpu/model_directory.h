#pragma once
// A model to serve that comes from nowhere: random weights in a known shape, as a directory.

#include <filesystem>

namespace tandem {

// MiniMind2 26M, or a tiny one of its kind, with the default model's tokenizer, in f32, below
// `folder`; made once.
std::filesystem::path ModelDirectory(const std::filesystem::path& folder, bool tiny);

}  // namespace tandem
