#include "engine/text/tokenizer_config.h"

#include <algorithm>
#include <charconv>

#include "engine/text/json_access.h"
#include "engine/text/piece_table.h"

namespace tandem {
namespace {

// A token is written as its text or as an object with "content".
std::optional<std::string> TokenContent(const JsonNode& node) {
  if (node.value().is_string()) return node.String();
  if (node.value().is_object()) return node.Get("content").String();
  return std::nullopt;  // false, where nothing was meant
}

std::optional<std::string> FindTokenContent(const JsonNode& root, const std::string& key) {
  const auto node = root.Find(key);
  return node ? TokenContent(*node) : std::nullopt;
}

std::optional<bool> FindBool(const JsonNode& root, const std::string& key) {
  const auto node = root.Find(key);
  if (!node) return std::nullopt;
  return node->Bool();
}

std::vector<AddedToken> ReadAddedTokens(const JsonNode& decoder) {
  if (!decoder.value().is_object()) decoder.Fail("is not an object");
  std::vector<AddedToken> tokens;
  for (const auto& [key, value] : decoder.value().items()) {
    const JsonNode node(value, decoder.where() + ": " + key);
    AddedToken token;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (error != std::errc() || end != key.data() + key.size() || token.id < 0 ||
        token.id >= kMaxVocabSize) {
      node.Fail("is not a token id");
    }
    token.content = node.Get("content").String();
    token.special = node.BoolOr("special", false);
    token.single_word = node.BoolOr("single_word", false);
    token.lstrip = node.BoolOr("lstrip", false);
    token.rstrip = node.BoolOr("rstrip", false);
    token.normalized = node.BoolOr("normalized", false);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<std::string> ReadSpecialTokens(const JsonNode& root) {
  std::vector<std::string> names;
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    if (auto name = FindTokenContent(root, key)) names.push_back(std::move(*name));
  }
  const auto additional = root.Find("additional_special_tokens");
  if (!additional) return names;
  for (const JsonNode& node : additional->Items()) {
    if (auto name = TokenContent(node)) names.push_back(std::move(*name));
  }
  return names;
}

}  // namespace

TokenizerConfig LoadTokenizerConfig(const std::filesystem::path& directory) {
  TokenizerConfig config;
  const std::filesystem::path path = directory / "tokenizer_config.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return config;
  const nlohmann::json document = ReadTokenizerJson(path);
  const JsonNode root(document, path.string());
  if (const auto name = root.Find("tokenizer_class")) config.tokenizer_class = name->String();
  config.bos_token = FindTokenContent(root, "bos_token");
  config.eos_token = FindTokenContent(root, "eos_token");
  config.add_bos_token = FindBool(root, "add_bos_token");
  config.add_eos_token = FindBool(root, "add_eos_token");
  config.add_prefix_space = root.BoolOr("add_prefix_space", false);
  config.legacy = root.BoolOr("legacy", true);
  if (const auto decoder = root.Find("added_tokens_decoder")) {
    config.added_tokens = ReadAddedTokens(*decoder);
  }
  config.special_tokens = ReadSpecialTokens(root);
  return config;
}

void AddConfiguredTokens(const TokenizerConfig& config, std::vector<AddedToken>* tokens) {
  for (const AddedToken& token : config.added_tokens) {
    const bool is_there = std::any_of(tokens->begin(), tokens->end(), [&](const AddedToken& other) {
      return other.content == token.content;
    });
    if (!is_there) tokens->push_back(token);
  }
}

}  // namespace tandem
