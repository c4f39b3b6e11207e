#pragma once
// Writes a trained tokenizer as Hugging Face's libraries and LoadTokenizer (engine/text) read it.

#include <filesystem>
#include <span>
#include <string>

#include "engine/text/known_pattern.h"
#include "trainer/tokenizer/bpe_trainer.h"
#include "trainer/tokenizer/special_tokens.h"

namespace tandem {

struct TokenizerDescription {
  const TrainedBpe& bpe;  // whose first tokens are `added_tokens`
  KnownPattern pattern;
  std::span<const AddedTokenRow> added_tokens;
  int64_t max_length = 131072;  // "model_max_length": what encoders warn about, no limit of ours
};

// The content of tokenizer.json, and of tokenizer_config.json with the chat template.
std::string FormatTokenizerJson(const TokenizerDescription& tokenizer);
std::string FormatTokenizerConfig(const TokenizerDescription& tokenizer);

// Both files, each appearing complete or not at all; the directory is made when it is not there.
void WriteTokenizer(const TokenizerDescription& tokenizer, const std::filesystem::path& directory);

}  // namespace tandem
