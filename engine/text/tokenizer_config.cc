#include "engine/text/tokenizer_config.h"

#include <charconv>
#include <unordered_set>

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

TokenId CheckedId(const JsonNode& node, int64_t id) {
  if (id < 0 || id >= kMaxVocabSize) {
    node.Fail("id " + std::to_string(id) + " is not from 0 to " +
              std::to_string(kMaxVocabSize - 1));
  }
  return static_cast<TokenId>(id);
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

bool Exists(const std::filesystem::path& path) {
  std::error_code error;  // what cannot be looked at is not there
  return std::filesystem::exists(path, error);
}

TokenizerConfig ReadConfigFile(const std::filesystem::path& path) {
  TokenizerConfig config;
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

void ReadSpecialTokensMap(const std::filesystem::path& path, TokenizerConfig* config) {
  const nlohmann::json document = ReadTokenizerJson(path);
  const JsonNode root(document, path.string());
  if (!config->bos_token) config->bos_token = FindTokenContent(root, "bos_token");
  if (!config->eos_token) config->eos_token = FindTokenContent(root, "eos_token");
  for (std::string& name : ReadSpecialTokens(root))
    config->special_tokens.push_back(std::move(name));
}

// {"<tool>": 32000, ...}; special are those that the other files name.
void ReadAddedTokensFile(const std::filesystem::path& path, TokenizerConfig* config) {
  const nlohmann::json document = ReadTokenizerJson(path);
  const JsonNode root(document, path.string());
  if (!document.is_object()) root.Fail("is not an object of tokens and ids");
  const std::unordered_set<std::string> special(config->special_tokens.begin(),
                                                config->special_tokens.end());
  std::vector<AddedToken> tokens;
  for (const auto& [content, value] : document.items()) {
    const JsonNode node(value, path.string() + ": " + content);
    const bool is_special = special.contains(content);
    tokens.push_back({.id = CheckedId(node, node.Integer()),
                      .content = content,
                      .special = is_special,
                      .normalized = !is_special});
  }
  TokenizerConfig file;
  file.added_tokens = std::move(tokens);
  AddConfiguredTokens(file, &config->added_tokens);
}

}  // namespace

TokenizerConfig LoadTokenizerConfig(const std::filesystem::path& directory) {
  TokenizerConfig config;
  const auto config_path = directory / "tokenizer_config.json";
  const auto specials_path = directory / "special_tokens_map.json";
  const auto added_path = directory / "added_tokens.json";
  if (Exists(config_path)) config = ReadConfigFile(config_path);
  if (Exists(specials_path)) ReadSpecialTokensMap(specials_path, &config);
  if (Exists(added_path) && !Exists(directory / "tokenizer.json")) {
    ReadAddedTokensFile(added_path, &config);
  }
  return config;
}

void AddConfiguredTokens(const TokenizerConfig& config, std::vector<AddedToken>* tokens) {
  std::unordered_set<std::string> contents;
  for (const AddedToken& token : *tokens) contents.insert(token.content);
  for (const AddedToken& token : config.added_tokens) {
    if (contents.insert(token.content).second) tokens->push_back(token);
  }
}

}  // namespace tandem
