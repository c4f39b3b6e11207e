#include "engine/text/bpe_vocabulary_reader.h"

#include <optional>
#include <unordered_set>

#include "engine/text/json_access.h"
#include "engine/text/piece_table.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// Special tokens that the configuration names and the vocabulary has.
void AddNamedSpecialTokens(const TokenizerConfig& config, BpeTokenizerParts* parts) {
  std::unordered_set<std::string_view> wanted(config.special_tokens.begin(),
                                              config.special_tokens.end());
  wanted.erase("");
  for (const AddedToken& token : parts->added_tokens) wanted.erase(token.content);
  for (const auto& [text, id] : parts->vocabulary.tokens) {
    if (wanted.erase(text) == 0) continue;
    parts->added_tokens.push_back({.id = id, .content = text, .special = true});
  }
}

std::optional<TokenId> FindAdded(const BpeTokenizerParts& parts,
                                 const std::optional<std::string>& name) {
  for (const AddedToken& token : parts.added_tokens) {
    if (name && token.content == *name) return token.id;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::pair<std::string, TokenId>> ReadVocabulary(const JsonNode& vocab) {
  if (!vocab.value().is_object()) vocab.Fail("is not an object of tokens and ids");
  std::vector<std::pair<std::string, TokenId>> tokens;
  tokens.reserve(vocab.value().size());
  for (const auto& [text, value] : vocab.value().items()) {
    if (!value.is_number_integer()) vocab.Fail("the id of '" + text + "' is not an integer");
    const int64_t id = JsonNode(value, vocab.where() + ": " + text).Integer();
    if (id < 0 || id >= kMaxVocabSize) {
      vocab.Fail("the id of '" + text + "' is " + std::to_string(id) + "; ids are from 0 to " +
                 std::to_string(kMaxVocabSize - 1));
    }
    tokens.emplace_back(text, static_cast<TokenId>(id));
  }
  return tokens;
}

std::pair<std::string, std::string> SplitMerge(std::string_view text, const std::string& where) {
  const size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos) {
    throw FormatError(where + ": merge '" + std::string(text) + "' is not two tokens and a space");
  }
  return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

std::unique_ptr<const Tokenizer> BuildBpeTokenizer(const std::filesystem::path& path,
                                                   const TokenizerConfig& config,
                                                   BpeTokenizerParts parts) {
  AddConfiguredTokens(config, &parts.added_tokens);
  AddNamedSpecialTokens(config, &parts);
  parts.bos_id = FindAdded(parts, config.bos_token);
  parts.eos_id = FindAdded(parts, config.eos_token);
  // What the configuration says about its bos and eos counts more than the template.
  if (config.add_bos_token) {
    parts.prefix.clear();
    if (*config.add_bos_token && parts.bos_id) parts.prefix.push_back(*parts.bos_id);
  }
  if (config.add_eos_token) {
    parts.suffix.clear();
    if (*config.add_eos_token && parts.eos_id) parts.suffix.push_back(*parts.eos_id);
  }
  try {
    return std::make_unique<BpeTokenizer>(std::move(parts));
  } catch (const FormatError& error) {
    throw FormatError(path.string() + ": " + error.what());
  }
}

}  // namespace tandem
