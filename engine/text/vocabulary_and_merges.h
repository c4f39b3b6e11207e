#pragma once
// Reads a byte-level BPE tokenizer from vocab.json and merges.txt, as GPT-2 and Qwen publish it.

#include <filesystem>
#include <memory>

#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_config.h"

namespace tandem {

// Under these or other names. Normaliser and words are those of the class that the configuration
// names: Qwen2's, or GPT-2's where none is named. FormatError where it is neither.
std::unique_ptr<const Tokenizer> LoadVocabularyAndMerges(const std::filesystem::path& vocabulary,
                                                         const std::filesystem::path& merges,
                                                         const TokenizerConfig& config);

}  // namespace tandem
