#pragma once
// The bytes of a shard, for its writer and its reader. Numbers are little endian; nothing is
// aligned.
//
//   ShardHeader
//   a record for each sample: its ids (2 or 4 bytes each), then, with a mask, ceil(ids / 8) bytes
//       whose bit i % 8 of byte i / 8 is set when token i is a target; the bits left over are 0
//   ShardPart::Entry for each sample
//   ShardTrailer, whose last field is the checksum of all bytes before it

#include <array>
#include <cstddef>
#include <cstdint>

#include "trainer/data/data_report.h"
#include "trainer/data/token_shard.h"

namespace tandem {

inline constexpr std::array<char, 8> kShardMagic = {'T', 'D', 'M', 'S', 'H', 'A', 'R', 'D'};
inline constexpr uint32_t kShardVersion = 1;
inline constexpr uint32_t kShardHasMask = 1;  // a flag

struct ShardHeader {
  std::array<char, 8> magic = kShardMagic;
  uint32_t version = kShardVersion;
  uint32_t flags = 0;
  uint64_t fingerprint = 0;
  uint64_t vocab_size = 0;
};
static_assert(sizeof(ShardHeader) == 32);

struct ShardTrailer {
  uint64_t records_bytes = 0;
  uint64_t num_samples = 0;
  DataCounts counts;
  uint64_t checksum = 0;  // XXH64
};
static_assert(sizeof(ShardTrailer) == 88);
static_assert(sizeof(ShardPart::Entry) == 24);

inline size_t MaskBytes(const ShardLayout& layout, uint64_t num_tokens) {
  return layout.has_mask ? (num_tokens + 7) / 8 : 0;
}
inline uint64_t RecordBytes(const ShardLayout& layout, uint64_t num_tokens) {
  return num_tokens * layout.id_bytes() + MaskBytes(layout, num_tokens);
}

}  // namespace tandem
