#pragma once
// What both kinds of BPE files have: a vocabulary, merges, and a configuration around them. Pure
// functions; any thread.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/bpe_tokenizer.h"
#include "engine/text/tokenizer_config.h"

namespace tandem {

class JsonNode;  // json_access.h

// An object of tokens and ids.
std::vector<std::pair<std::string, TokenId>> ReadVocabulary(const JsonNode& vocab);

// "left right". `where` is for the FormatError.
std::pair<std::string, std::string> SplitMerge(std::string_view text, const std::string& where);

// Adds to `parts` what the configuration says: tokens, bos, eos and what is put around a text.
// FormatErrors name `path`.
std::unique_ptr<const Tokenizer> BuildBpeTokenizer(const std::filesystem::path& path,
                                                   const TokenizerConfig& config,
                                                   BpeTokenizerParts parts);

}  // namespace tandem
