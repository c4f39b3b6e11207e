#include "engine/text/word_cache.h"

#include <algorithm>
#include <functional>

namespace tandem {

WordCache::WordCache() : shards_(std::make_unique<std::array<Shard, kNumShards>>()) {}

WordCache::Place WordCache::PlaceOf(std::string_view word) {
  const size_t hash = std::hash<std::string_view>()(word);
  Shard& shard = (*shards_)[hash % kNumShards];
  return {shard, shard.slots[hash / kNumShards % kSlotsPerShard]};
}

bool WordCache::Lookup(std::string_view word, std::vector<TokenId>* ids) {
  if (word.empty() || word.size() > kMaxWordBytes) return false;
  const Place place = PlaceOf(word);
  const std::unique_lock lock(place.shard.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  const Slot& slot = place.slot;
  if (std::string_view(slot.word.data(), slot.word_bytes) != word) return false;
  ids->insert(ids->end(), slot.ids.begin(), slot.ids.begin() + slot.num_ids);
  return true;
}

void WordCache::Store(std::string_view word, std::span<const TokenId> ids) {
  if (word.empty() || word.size() > kMaxWordBytes || ids.size() > kMaxIds) return;
  const Place place = PlaceOf(word);
  const std::unique_lock lock(place.shard.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return;
  place.slot.word_bytes = static_cast<uint8_t>(word.size());
  place.slot.num_ids = static_cast<uint8_t>(ids.size());
  std::copy(word.begin(), word.end(), place.slot.word.begin());
  std::copy(ids.begin(), ids.end(), place.slot.ids.begin());
}

}  // namespace tandem
