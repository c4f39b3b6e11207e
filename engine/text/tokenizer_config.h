#pragma once
// What tokenizer_config.json says about a tokenizer whose vocabulary stands in another file.

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

// Everything has its default when the directory has no tokenizer_config.json; FormatError when the
// file is broken.
TokenizerConfig LoadTokenizerConfig(const std::filesystem::path& directory);

// Adds the tokens of the configuration to `tokens`, unless a token of that content is there.
void AddConfiguredTokens(const TokenizerConfig& config, std::vector<AddedToken>* tokens);

}  // namespace tandem
