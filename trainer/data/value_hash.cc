#include "trainer/data/value_hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace tandem {

using jinja::Dict;
using jinja::Value;

void HashValue(const Value& value, Hash64* hash) {
  hash->UpdateNumber(static_cast<uint64_t>(value.kind()));
  switch (value.kind()) {
    case jinja::Kind::kText:
      hash->UpdateField(value.AsText());
      break;
    case jinja::Kind::kBool:
    case jinja::Kind::kInt:
      hash->UpdateNumber(static_cast<uint64_t>(value.AsInt()));
      break;
    case jinja::Kind::kDouble:
      hash->UpdateField(fmt::format("{}", value.AsDouble()));
      break;
    case jinja::Kind::kList:
      hash->UpdateNumber(value.list().items.size());
      for (const Value& item : value.list().items) HashValue(item, hash);
      break;
    case jinja::Kind::kDict: {
      std::vector<const Dict::Entry*> entries;
      for (const auto& entry : value.dict().entries()) entries.push_back(&entry);
      std::sort(entries.begin(), entries.end(),
                [](const auto* a, const auto* b) { return a->first.AsText() < b->first.AsText(); });
      hash->UpdateNumber(entries.size());
      for (const auto* entry : entries) {
        hash->UpdateField(entry->first.AsText());
        HashValue(entry->second, hash);
      }
      break;
    }
    case jinja::Kind::kUndefined:
    case jinja::Kind::kNone:
    case jinja::Kind::kObject:
      break;
  }
}

}  // namespace tandem
