#pragma once
// What stands beside a vocabulary: tokenizer_config.json, and where that leaves it open,
// special_tokens_map.json and added_tokens.json.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/text/added_tokens.h"

namespace tandem {

struct TokenizerConfig {
  std::string tokenizer_class;  // empty: not said
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  bool add_prefix_space = false;
  bool legacy = true;                    // LlamaTokenizer: a dummy prefix after every special token
  std::vector<AddedToken> added_tokens;  // with ids
  std::vector<std::string> special_tokens;  // names of bos, eos, unk, pad and additional ones
};

// Everything has its default when the directory has none of the files; FormatError when one is
// broken. A tokenizer.json says itself which tokens are added, and added_tokens.json is not read.
TokenizerConfig LoadTokenizerConfig(const std::filesystem::path& directory);

// Adds the tokens of the configuration to `tokens`, unless a token of that content is there.
void AddConfiguredTokens(const TokenizerConfig& config, std::vector<AddedToken>* tokens);

}  // namespace tandem
