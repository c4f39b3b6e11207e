#include "trainer/data/hash64.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tandem {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Fu;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9u;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63u;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5u;

static_assert(std::endian::native == std::endian::little);

template <typename Word>
Word Read(const std::byte* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

uint64_t Round(uint64_t lane, uint64_t input) {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

uint64_t Merge(uint64_t hash, uint64_t lane) { return (hash ^ Round(0, lane)) * kPrime1 + kPrime4; }

uint64_t Avalanche(uint64_t hash) {
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

// The last bytes, fewer than a stripe.
uint64_t MixTail(uint64_t hash, const std::byte* at, size_t size) {
  for (; size >= 8; at += 8, size -= 8) {
    hash = std::rotl(hash ^ Round(0, Read<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  }
  for (; size >= 4; at += 4, size -= 4) {
    hash = std::rotl(hash ^ (Read<uint32_t>(at) * kPrime1), 23) * kPrime2 + kPrime3;
  }
  for (; size > 0; ++at, --size) {
    hash = std::rotl(hash ^ (static_cast<uint64_t>(*at) * kPrime5), 11) * kPrime1;
  }
  return hash;
}

}  // namespace

Hash64::Hash64(uint64_t seed)
    : seed_(seed), lanes_{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1} {}

void Hash64::ConsumeStripe(const std::byte* stripe) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i] = Round(lanes_[i], Read<uint64_t>(stripe + 8 * i));
  }
}

void Hash64::Update(std::span<const std::byte> bytes) {
  const size_t num_pending = total_bytes_ % kStripeBytes;
  total_bytes_ += bytes.size();
  if (num_pending > 0) {
    const size_t taken = std::min(bytes.size(), kStripeBytes - num_pending);
    std::copy_n(bytes.data(), taken, pending_.data() + num_pending);
    bytes = bytes.subspan(taken);
    if (num_pending + taken < kStripeBytes) return;
    ConsumeStripe(pending_.data());
  }
  for (; bytes.size() >= kStripeBytes; bytes = bytes.subspan(kStripeBytes)) {
    ConsumeStripe(bytes.data());
  }
  std::copy_n(bytes.data(), bytes.size(), pending_.data());
}

void Hash64::UpdateNumber(uint64_t number) { Update(std::as_bytes(std::span(&number, 1))); }

void Hash64::UpdateField(std::string_view text) {
  UpdateNumber(text.size());
  Update(text);
}

uint64_t Hash64::Digest() const {
  uint64_t hash = seed_ + kPrime5;
  if (total_bytes_ >= kStripeBytes) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
           std::rotl(lanes_[3], 18);
    for (const uint64_t lane : lanes_) hash = Merge(hash, lane);
  }
  return Avalanche(MixTail(hash + total_bytes_, pending_.data(), total_bytes_ % kStripeBytes));
}

uint64_t Hash64Of(std::string_view text) {
  Hash64 hash;
  hash.Update(text);
  return hash.Digest();
}

}  // namespace tandem
