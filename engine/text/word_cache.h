#pragma once
// Ids of words that were encoded before. Bounded, direct-mapped: a word replaces whoever had its
// slot. Many threads may use it: a shard that another thread holds counts as a miss, nobody waits.

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer.h"

namespace tandem {

class WordCache {
 public:
  WordCache();

  // Appends the word's ids; false when they are not known.
  bool Lookup(std::string_view word, std::vector<TokenId>* ids);
  // Long words, and words of many ids, are not kept.
  void Store(std::string_view word, std::span<const TokenId> ids);

 private:
  static constexpr size_t kMaxWordBytes = 22;
  static constexpr size_t kMaxIds = 8;
  static constexpr size_t kNumShards = 64;
  static constexpr size_t kSlotsPerShard = 512;

  struct Slot {
    uint8_t word_bytes = 0;  // 0: empty
    uint8_t num_ids = 0;
    std::array<char, kMaxWordBytes> word;
    std::array<TokenId, kMaxIds> ids;
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::array<Slot, kSlotsPerShard> slots;
  };
  struct Place {
    Shard& shard;
    Slot& slot;
  };
  Place PlaceOf(std::string_view word);

  std::unique_ptr<std::array<Shard, kNumShards>> shards_;
};

}  // namespace tandem
