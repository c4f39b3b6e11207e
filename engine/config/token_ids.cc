#include "engine/config/token_ids.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tandem {

std::optional<int32_t> ReadTokenId(JsonFields& fields, std::string_view name, int64_t vocab_size) {
  const std::optional<int64_t> id = fields.Int(name, {-1, vocab_size - 1});
  if (!id || *id < 0) return std::nullopt;
  return static_cast<int32_t>(*id);
}

std::vector<int32_t> ReadTokenIds(JsonFields& fields, std::string_view name, int64_t vocab_size) {
  std::vector<int32_t> ids;
  const Json* value = fields.Find(name);
  if (value == nullptr) return ids;
  if (!value->is_array()) {
    if (const auto id = ReadTokenId(fields, name, vocab_size)) ids.push_back(*id);
    return ids;
  }
  for (int64_t id : fields.Ints(name, {0, vocab_size - 1}).value_or(std::vector<int64_t>{})) {
    const auto narrow = static_cast<int32_t>(id);
    if (std::find(ids.begin(), ids.end(), narrow) == ids.end()) ids.push_back(narrow);
  }
  return ids;
}

}  // namespace tandem
