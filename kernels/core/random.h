#pragma once
// Counter-based random numbers (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011): the number at (seed, choice, position, purpose) is always the same, whoever
// asks and in whatever order. No state.

#include <array>
#include <cstdint>

namespace tandem {

// What a number is for; two purposes never share a number.
enum class RandomPurpose : uint32_t { kSample = 0, kDropout = 1, kInit = 2, kShuffle = 3 };

struct RandomKey {
  uint64_t seed = 0;
  uint32_t choice = 0;    // index among the n choices of one request
  uint64_t position = 0;  // absolute position of the token that is drawn
  RandomPurpose purpose = RandomPurpose::kSample;
};

inline std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter,
                                          std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

inline std::array<uint32_t, 4> RandomBits(const RandomKey& key) {
  return Philox4x32({static_cast<uint32_t>(key.position), static_cast<uint32_t>(key.position >> 32),
                     key.choice, static_cast<uint32_t>(key.purpose)},
                    {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)});
}

// Uniform in [0, 1), 53 bits.
inline double RandomUniform(const RandomKey& key) {
  const auto bits = RandomBits(key);
  const uint64_t wide = (uint64_t{bits[0]} << 32) | bits[1];
  return static_cast<double>(wide >> 11) * 0x1.0p-53;
}

}  // namespace tandem
