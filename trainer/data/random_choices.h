#pragma once
// Who draws which random numbers of a data seed: RandomPurpose::kShuffle is the data's, and its
// `choice` says what a number decides, so that no two decisions share one.

#include <cstdint>

#include "kernels/core/random.h"

namespace tandem {

enum class DataChoice : uint32_t {
  kAddSystemPrompt = 0,
  kWhichSystemPrompt = 1,
  kRemoveEmptyThinking = 2,
  kFirstEpochOrder = 16,  // and epoch e has 16 + e
};

inline RandomKey DataRandomKey(uint64_t seed, DataChoice choice, int64_t position) {
  return {.seed = seed,
          .choice = static_cast<uint32_t>(choice),
          .position = static_cast<uint64_t>(position),
          .purpose = RandomPurpose::kShuffle};
}

// Uniform in [0, bound), bound > 0, from the high half of a product: integers only, the same on
// every machine. The bias is below bound / 2^64.
inline uint64_t RandomBelow(uint64_t bound, const RandomKey& key) {
  const auto bits = RandomBits(key);
  const uint64_t wide = (uint64_t{bits[0]} << 32) | bits[1];
  return static_cast<uint64_t>((static_cast<unsigned __int128>(wide) * bound) >> 64);
}

}  // namespace tandem
