#pragma once
// XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): checksums of shards,
// fingerprints of files and options, and which documents are the same. It finds accidents, not
// forgeries. A plain value; one thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tandem {

class Hash64 {
 public:
  explicit Hash64(uint64_t seed = 0);

  void Update(std::span<const std::byte> bytes);
  void Update(std::string_view text) { Update(std::as_bytes(std::span(text))); }
  // Eight bytes, little endian.
  void UpdateNumber(uint64_t number);
  // The length and then the bytes, so that two fields never run into each other.
  void UpdateField(std::string_view text);

  uint64_t Digest() const;  // of all bytes so far; more may follow

 private:
  static constexpr size_t kStripeBytes = 32;
  void ConsumeStripe(const std::byte* stripe);

  uint64_t seed_;
  std::array<uint64_t, 4> lanes_;
  std::array<std::byte, kStripeBytes> pending_{};  // the first total_bytes_ % 32 are in use
  uint64_t total_bytes_ = 0;
};

uint64_t Hash64Of(std::string_view text);

}  // namespace tandem
