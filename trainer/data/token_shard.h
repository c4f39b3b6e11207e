#pragma once
// A shard: the samples of one source file as token ids and loss masks, in a file that is mapped
// into memory. trainer/data/README.md has the format. TokenShard is immutable, any thread may read
// it; TokenShardWriter belongs to one thread.
//
// A shard is read like a file from a stranger: sizes, checksum, counts and every token id are
// checked when it is opened, so that nothing is read out of bounds later.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/atomic_file.h"
#include "engine/base/mapped_file.h"
#include "trainer/data/data_report.h"
#include "trainer/data/hash64.h"
#include "trainer/data/sample_maker.h"

namespace tandem {

// What every sample of a shard has in common.
struct ShardLayout {
  uint64_t fingerprint = 0;  // of all that the samples were made from
  int64_t vocab_size = 0;    // ids are below; up to 65536 they take two bytes, else four
  bool has_mask = false;     // without one all tokens are targets

  size_t id_bytes() const { return vocab_size <= 65536 ? 2 : 4; }
  bool operator==(const ShardLayout&) const = default;
};

// Samples in the form that the file has them in; made by any thread, in any number.
struct ShardPart {
  struct Entry {
    uint64_t content_hash = 0;  // of the document
    uint64_t line = 0;          // where the document begins in its file
    uint32_t num_tokens = 0;
    uint32_t num_targets = 0;
  };
  std::string records;
  std::vector<Entry> entries;

  void Append(const ShardLayout& layout, const TrainSample& sample, uint64_t content_hash,
              int64_t line);
};

class TokenShardWriter {
 public:
  TokenShardWriter(const std::filesystem::path& path, const ShardLayout& layout);

  void Append(const ShardPart& part);
  // Writes the index, and moves the file to its place. Once.
  void Finish(const DataCounts& counts);

 private:
  void Write(std::string_view bytes);

  AtomicFile file_;
  Hash64 checksum_;
  std::vector<ShardPart::Entry> entries_;
  uint64_t records_bytes_ = 0;
};

class TokenShard {
 public:
  // Throws FormatError, naming the file, when it is no whole and sound shard.
  explicit TokenShard(const std::filesystem::path& path);
  // The same for bytes that outlive the shard; `name` stands in messages.
  TokenShard(std::span<const std::byte> bytes, std::string name);
  // Its bytes move along with it, and its views into them stay.
  TokenShard(TokenShard&&) noexcept = default;
  TokenShard& operator=(TokenShard&&) noexcept = default;

  const std::string& name() const { return name_; }
  const ShardLayout& layout() const { return layout_; }
  const DataCounts& counts() const { return counts_; }
  int64_t num_samples() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t num_tokens() const { return num_tokens_; }
  int64_t num_targets() const { return num_targets_; }

  int64_t SampleTokens(int64_t sample) const { return EntryOf(sample).num_tokens; }
  int64_t SampleTargets(int64_t sample) const { return EntryOf(sample).num_targets; }
  int64_t SampleLine(int64_t sample) const { return static_cast<int64_t>(EntryOf(sample).line); }

  // Appends the ids of a sample, and for each the id that comes next, where that is a target, else
  // TrainBatch::kNoTarget.
  void AppendSample(int64_t sample, std::vector<int32_t>* ids, std::vector<int32_t>* targets) const;
  TrainSample CopySample(int64_t sample) const;

  // A key for each document, in order.
  std::vector<DocumentKey> Documents() const;

 private:
  void Open();
  void ReadIndex(uint64_t num_samples, uint64_t records_bytes);
  void CheckSample(uint64_t sample, const ShardPart::Entry& entry) const;
  ShardPart::Entry EntryOf(int64_t sample) const;
  uint32_t IdAt(const std::byte* record, int64_t index) const;
  bool IsTarget(const std::byte* record, int64_t num_tokens, int64_t index) const;
  [[noreturn]] void Fail(const std::string& what) const;

  std::optional<MappedFile> file_;
  std::span<const std::byte> bytes_;
  std::string name_;
  ShardLayout layout_;
  DataCounts counts_;
  int64_t num_tokens_ = 0;
  int64_t num_targets_ = 0;
  const std::byte* entries_ = nullptr;  // in bytes_
  std::vector<uint64_t> offsets_;       // [samples + 1]: where each record begins in bytes_
};

}  // namespace tandem
