#include "trainer/data/token_shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/core/check.h"
#include "kernels/core/error.h"
#include "trainer/data/token_shard_format.h"
#include "trainer/data/train_batch.h"

namespace tandem {
namespace {

template <typename Struct>
Struct ReadStruct(const std::byte* at) {
  Struct value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace

TokenShard::TokenShard(const std::filesystem::path& path) : file_(path), name_(path.string()) {
  bytes_ = file_->bytes();
  Open();
}

TokenShard::TokenShard(std::span<const std::byte> bytes, std::string name)
    : bytes_(bytes), name_(std::move(name)) {
  Open();
}

void TokenShard::Fail(const std::string& what) const {
  throw FormatError(fmt::format("{}: {}; remove it, and it will be made again", name_, what));
}

void TokenShard::Open() {
  if (bytes_.size() < sizeof(ShardHeader) + sizeof(ShardTrailer)) {
    Fail(fmt::format("a shard cannot have only {} bytes", bytes_.size()));
  }
  const auto header = ReadStruct<ShardHeader>(bytes_.data());
  if (header.magic != kShardMagic) Fail("it is no shard of token ids");
  if (header.version != kShardVersion) {
    Fail(fmt::format("its format has version {}; this program reads {}", header.version,
                     kShardVersion));
  }
  if ((header.flags & ~kShardHasMask) != 0) Fail(fmt::format("unknown flags {}", header.flags));
  if (header.vocab_size == 0 || header.vocab_size > uint64_t{INT32_MAX} + 1) {
    Fail(fmt::format("a vocabulary of {} tokens", header.vocab_size));
  }
  layout_ = {.fingerprint = header.fingerprint,
             .vocab_size = static_cast<int64_t>(header.vocab_size),
             .has_mask = (header.flags & kShardHasMask) != 0};
  const std::byte* trailer_at = bytes_.data() + bytes_.size() - sizeof(ShardTrailer);
  const auto trailer = ReadStruct<ShardTrailer>(trailer_at);
  Hash64 checksum;
  checksum.Update(bytes_.first(bytes_.size() - sizeof(trailer.checksum)));
  if (checksum.Digest() != trailer.checksum) {
    Fail("its checksum does not fit: it was cut off or changed");
  }
  const uint64_t body = bytes_.size() - sizeof(ShardHeader) - sizeof(ShardTrailer);
  const uint64_t index_bytes = body - std::min(body, trailer.records_bytes);
  if (trailer.records_bytes > body || index_bytes % sizeof(ShardPart::Entry) != 0 ||
      index_bytes / sizeof(ShardPart::Entry) != trailer.num_samples) {
    Fail(fmt::format("{} bytes cannot hold {} of samples and the index of {}", bytes_.size(),
                     trailer.records_bytes, trailer.num_samples));
  }
  counts_ = trailer.counts;
  entries_ = bytes_.data() + sizeof(ShardHeader) + trailer.records_bytes;
  ReadIndex(trailer.num_samples, trailer.records_bytes);
}

void TokenShard::ReadIndex(uint64_t num_samples, uint64_t records_bytes) {
  offsets_.reserve(num_samples + 1);
  offsets_.push_back(sizeof(ShardHeader));
  const uint64_t end = sizeof(ShardHeader) + records_bytes;
  for (uint64_t i = 0; i < num_samples; ++i) {
    const auto entry = ReadStruct<ShardPart::Entry>(entries_ + i * sizeof(ShardPart::Entry));
    const uint64_t record_bytes = RecordBytes(layout_, entry.num_tokens);
    if (entry.num_tokens == 0 || record_bytes > end - offsets_.back()) {
      Fail(fmt::format("sample {} has {} tokens, which do not fit", i, entry.num_tokens));
    }
    if (entry.line == 0 || entry.line > uint64_t{INT64_MAX}) {
      Fail(fmt::format("sample {} is of line {}", i, entry.line));
    }
    CheckSample(i, entry);
    offsets_.push_back(offsets_.back() + record_bytes);
    num_tokens_ += entry.num_tokens;
    num_targets_ += entry.num_targets;
  }
  if (offsets_.back() != end) {
    Fail(fmt::format("{} bytes belong to no sample", end - offsets_.back()));
  }
}

// The record at offsets_.back(), which lies inside of the file.
void TokenShard::CheckSample(uint64_t sample, const ShardPart::Entry& entry) const {
  const std::byte* record = bytes_.data() + offsets_.back();
  const int64_t num_tokens = entry.num_tokens;
  uint32_t highest = 0;
  for (int64_t i = 0; i < num_tokens; ++i) highest = std::max(highest, IdAt(record, i));
  if (highest >= static_cast<uint64_t>(layout_.vocab_size)) {
    Fail(fmt::format("sample {} has the token {}; the vocabulary has {}", sample, highest,
                     layout_.vocab_size));
  }
  int64_t num_targets = 0;
  for (int64_t i = 1; i < num_tokens; ++i) num_targets += IsTarget(record, num_tokens, i);
  if (num_targets != entry.num_targets) {
    Fail(fmt::format("sample {} has {} tokens to learn, and its index says {}", sample, num_targets,
                     entry.num_targets));
  }
}

ShardPart::Entry TokenShard::EntryOf(int64_t sample) const {
  CHECK(sample >= 0 && sample < num_samples(), sample, num_samples());
  return ReadStruct<ShardPart::Entry>(entries_ +
                                      static_cast<size_t>(sample) * sizeof(ShardPart::Entry));
}

uint32_t TokenShard::IdAt(const std::byte* record, int64_t index) const {
  return layout_.id_bytes() == 2 ? ReadStruct<uint16_t>(record + 2 * index)
                                 : ReadStruct<uint32_t>(record + 4 * index);
}

bool TokenShard::IsTarget(const std::byte* record, int64_t num_tokens, int64_t index) const {
  if (index == 0) return false;
  if (!layout_.has_mask) return true;
  const std::byte* mask = record + num_tokens * static_cast<int64_t>(layout_.id_bytes());
  return ((mask[index / 8] >> (index % 8)) & std::byte{1}) != std::byte{0};
}

void TokenShard::AppendSample(int64_t sample, std::vector<int32_t>* ids,
                              std::vector<int32_t>* targets) const {
  const int64_t num_tokens = SampleTokens(sample);
  const std::byte* record = bytes_.data() + offsets_[static_cast<size_t>(sample)];
  for (int64_t i = 0; i < num_tokens; ++i) {
    const auto id = static_cast<int32_t>(IdAt(record, i));
    ids->push_back(id);
    if (i > 0) {
      targets->push_back(IsTarget(record, num_tokens, i) ? id : TrainBatch::kNoTarget);
    }
  }
  targets->push_back(TrainBatch::kNoTarget);
}

TrainSample TokenShard::CopySample(int64_t sample) const {
  TrainSample copy;
  const int64_t num_tokens = SampleTokens(sample);
  const std::byte* record = bytes_.data() + offsets_[static_cast<size_t>(sample)];
  for (int64_t i = 0; i < num_tokens; ++i) {
    copy.ids.push_back(static_cast<TokenId>(IdAt(record, i)));
    if (layout_.has_mask) copy.is_target.push_back(IsTarget(record, num_tokens, i) ? 1 : 0);
  }
  return copy;
}

std::vector<DocumentKey> TokenShard::Documents() const {
  std::vector<DocumentKey> documents;
  for (int64_t i = 0; i < num_samples(); ++i) {
    const ShardPart::Entry entry = EntryOf(i);
    const auto line = static_cast<int64_t>(entry.line);
    const bool is_next_piece = !documents.empty() && documents.back().line == line;
    if (!is_next_piece) documents.push_back({.content_hash = entry.content_hash, .line = line});
  }
  return documents;
}

}  // namespace tandem
