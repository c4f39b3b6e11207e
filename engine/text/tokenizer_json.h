#pragma once
// Reads tokenizer.json with a BPE model. What a file asks for and we do not have is a FormatError
// that names it and the file.

#include <filesystem>
#include <memory>

#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_config.h"

namespace tandem {

std::unique_ptr<const Tokenizer> LoadTokenizerJson(const std::filesystem::path& path,
                                                   const TokenizerConfig& config);

}  // namespace tandem
