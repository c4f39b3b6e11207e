#pragma once
// Reads the files of BPE tokenizers: tokenizer.json, or a vocabulary with its merges. What a file
// asks for and we do not have is a FormatError that names it and the file.

#include <filesystem>
#include <memory>

#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_config.h"

namespace tandem {

std::unique_ptr<const Tokenizer> LoadTokenizerJson(const std::filesystem::path& path,
                                                   const TokenizerConfig& config);

// vocab.json and merges.txt, under these or other names. The pre-tokenizer is that of the class
// which tokenizer_config.json names: Qwen2's for "Qwen2Tokenizer", else GPT-2's.
std::unique_ptr<const Tokenizer> LoadVocabularyAndMerges(const std::filesystem::path& vocabulary,
                                                         const std::filesystem::path& merges,
                                                         const TokenizerConfig& config);

}  // namespace tandem
