#pragma once
// A JSON file of a tokenizer, read with bounds, and access to it that says where a value is wrong.
// Included by the .cc files that read tokenizer files and by nothing else.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem {

// Throws FormatError: not a regular file, too large, not JSON, nested too deeply.
std::string ReadTokenizerFile(const std::filesystem::path& path);
nlohmann::json ReadTokenizerJson(const std::filesystem::path& path);

// A value and the way to it. Borrows the document.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string where)
      : value_(&value), where_(std::move(where)) {}

  // "file: model.vocab: <problem>" as FormatError.
  [[noreturn]] void Fail(const std::string& problem) const;
  const std::string& where() const { return where_; }
  const nlohmann::json& value() const { return *value_; }

  std::optional<JsonNode> Find(const std::string& key) const;  // nothing when absent or null
  JsonNode Get(const std::string& key) const;                  // must be there
  std::vector<JsonNode> Items() const;                         // of an array

  std::string String() const;
  bool Bool() const;
  int64_t Integer() const;
  bool BoolOr(const std::string& key, bool otherwise) const;
  std::string Type() const { return Get("type").String(); }

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace tandem
