#pragma once
// Token ids as config.json and generation_config.json write them. Used by the readers of both.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/json.h"

namespace tandem {

// One id below `vocab_size`; older files write -1 for none.
std::optional<int32_t> ReadTokenId(JsonFields& fields, std::string_view name, int64_t vocab_size);
// One id or a list of them, in the file's order, each once.
std::vector<int32_t> ReadTokenIds(JsonFields& fields, std::string_view name, int64_t vocab_size);

}  // namespace tandem
