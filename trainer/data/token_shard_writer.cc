#include <cstring>

#include "kernels/core/check.h"
#include "trainer/data/token_shard.h"
#include "trainer/data/token_shard_format.h"

namespace tandem {
namespace {

template <typename Struct>
std::string_view BytesOf(const Struct& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

ShardHeader HeaderOf(const ShardLayout& layout) {
  CHECK(layout.vocab_size > 0);
  return {.flags = layout.has_mask ? kShardHasMask : 0,
          .fingerprint = layout.fingerprint,
          .vocab_size = static_cast<uint64_t>(layout.vocab_size)};
}

}  // namespace

void ShardPart::Append(const ShardLayout& layout, const TrainSample& sample, uint64_t content_hash,
                       int64_t line) {
  const size_t num_tokens = sample.ids.size();
  CHECK(num_tokens > 0 && num_tokens <= UINT32_MAX, num_tokens);
  const size_t begin = records.size();
  records.resize(begin + RecordBytes(layout, num_tokens), '\0');
  char* out = records.data() + begin;
  for (const TokenId id : sample.ids) {
    CHECK(id >= 0 && id < layout.vocab_size, id, layout.vocab_size);
    std::memcpy(out, &id, layout.id_bytes());  // the low bytes come first
    out += layout.id_bytes();
  }
  if (layout.has_mask) {
    for (size_t i = 0; i < num_tokens; ++i) {
      if (sample.is_target.empty() || sample.is_target[i] != 0) {
        out[i / 8] = static_cast<char>(out[i / 8] | (1 << (i % 8)));
      }
    }
  } else {
    CHECK(sample.is_target.empty());
  }
  entries.push_back({.content_hash = content_hash,
                     .line = static_cast<uint64_t>(line),
                     .num_tokens = static_cast<uint32_t>(num_tokens),
                     .num_targets = static_cast<uint32_t>(sample.NumTargets())});
}

TokenShardWriter::TokenShardWriter(const std::filesystem::path& path, const ShardLayout& layout)
    : file_(path) {
  Write(BytesOf(HeaderOf(layout)));
}

void TokenShardWriter::Write(std::string_view bytes) {
  checksum_.Update(bytes);
  file_.Write(bytes);
}

void TokenShardWriter::Append(const ShardPart& part) {
  Write(part.records);
  records_bytes_ += part.records.size();
  entries_.insert(entries_.end(), part.entries.begin(), part.entries.end());
}

void TokenShardWriter::Finish(const DataCounts& counts) {
  Write(
      {reinterpret_cast<const char*>(entries_.data()), entries_.size() * sizeof(ShardPart::Entry)});
  ShardTrailer trailer{
      .records_bytes = records_bytes_, .num_samples = entries_.size(), .counts = counts};
  const std::string_view bytes = BytesOf(trailer);
  const std::string_view checked = bytes.substr(0, offsetof(ShardTrailer, checksum));
  checksum_.Update(checked);
  trailer.checksum = checksum_.Digest();
  file_.Write(bytes);
  file_.Commit();
}

}  // namespace tandem
