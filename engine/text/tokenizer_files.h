#pragma once
// The files that make a model directory's text side: what goes along when a model gets a directory
// of its own.

#include <filesystem>

namespace tandem {

// Copies what a tokenizer, a chat template and generation's defaults are made of, as far as it is
// there; files of the same names are replaced. Throws DeviceError when the disk refuses.
void CopyTokenizerFiles(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace tandem
