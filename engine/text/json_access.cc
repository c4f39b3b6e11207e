#include "engine/text/json_access.h"

#include <algorithm>
#include <fstream>
#include <limits>

#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr uintmax_t kMaxFileBytes = uintmax_t{1} << 28;  // 20 times the largest in use
constexpr int kMaxDepth = 64;

// How deep the brackets outside of strings are nested. Not by the parser's callback: with one, the
// parser looks through all of an object after each of its members.
int DepthOf(std::string_view json) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      i += c == '\\';  // whatever is escaped
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

std::string ReadTokenizerFile(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw FormatError(path.string() + ": is not a regular file");
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw FormatError(path.string() + ": " + error.message());
  if (size > kMaxFileBytes) {
    throw FormatError(path.string() + ": has " + std::to_string(size) +
                      " bytes; a tokenizer file has at most " + std::to_string(kMaxFileBytes));
  }
  std::string bytes(size, '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) {
    throw FormatError(path.string() + ": cannot be read");
  }
  return bytes;
}

nlohmann::json ReadTokenizerJson(const std::filesystem::path& path) {
  const std::string bytes = ReadTokenizerFile(path);
  if (DepthOf(bytes) > kMaxDepth) {
    throw FormatError(path.string() + ": is nested more than " + std::to_string(kMaxDepth) +
                      " levels deep");
  }
  try {
    return nlohmann::json::parse(bytes);
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(path.string() + ": " + error.what());
  }
}

void JsonNode::Fail(const std::string& problem) const {
  throw FormatError(where_ + ": " + problem);
}

std::optional<JsonNode> JsonNode::Find(const std::string& key) const {
  if (!value_->is_object()) Fail("is not an object");
  const auto it = value_->find(key);
  if (it == value_->end() || it->is_null()) return std::nullopt;
  return JsonNode(*it, where_ + ": " + key);
}

JsonNode JsonNode::Get(const std::string& key) const {
  auto found = Find(key);
  if (!found) Fail("has no '" + key + "'");
  return *found;
}

std::vector<JsonNode> JsonNode::Items() const {
  if (!value_->is_array()) Fail("is not an array");
  std::vector<JsonNode> items;
  items.reserve(value_->size());
  for (const auto& item : *value_) {
    items.emplace_back(item, where_ + "[" + std::to_string(items.size()) + "]");
  }
  return items;
}

std::string JsonNode::String() const {
  if (!value_->is_string()) Fail("is not a string");
  return value_->get<std::string>();
}

bool JsonNode::Bool() const {
  if (!value_->is_boolean()) Fail("is not true or false");
  return value_->get<bool>();
}

int64_t JsonNode::Integer() const {
  if (!value_->is_number_integer()) Fail("is not an integer");
  if (value_->is_number_unsigned() &&
      value_->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    Fail("is too large");
  }
  return value_->get<int64_t>();
}

bool JsonNode::BoolOr(const std::string& key, bool otherwise) const {
  const auto found = Find(key);
  return found ? found->Bool() : otherwise;
}

}  // namespace tandem
