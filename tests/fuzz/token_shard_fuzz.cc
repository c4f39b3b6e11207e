// The shard reader: whatever the bytes claim, every sample lies inside of them, and what is written
// from it reads back as the same samples. The checksum is corrected first, or nothing would pass
// it.

#include "trainer/data/token_shard.h"

#include <cstring>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temporary_directory.h"
#include "trainer/data/token_shard_format.h"
#include "trainer/data/train_batch.h"

namespace tandem {
namespace {

std::string WithChecksum(std::string bytes) {
  if (bytes.size() < sizeof(uint64_t)) return bytes;
  const size_t size = bytes.size() - sizeof(uint64_t);
  const uint64_t checksum = Hash64Of(std::string_view(bytes).substr(0, size));
  std::memcpy(bytes.data() + size, &checksum, sizeof(checksum));
  return bytes;
}

void CheckSamples(const TokenShard& shard) {
  int64_t num_tokens = 0, num_targets = 0;
  for (int64_t i = 0; i < shard.num_samples(); ++i) {
    std::vector<int32_t> ids, targets;
    shard.AppendSample(i, &ids, &targets);
    CHECK(ids.size() == targets.size() && std::ssize(ids) == shard.SampleTokens(i));
    for (size_t j = 0; j < ids.size(); ++j) {
      CHECK(ids[j] >= 0 && ids[j] < shard.layout().vocab_size, ids[j]);
      const bool is_next = j + 1 < ids.size() && targets[j] == ids[j + 1];
      CHECK(is_next || targets[j] == TrainBatch::kNoTarget, targets[j]);
      num_targets += is_next ? 1 : 0;
    }
    num_tokens += std::ssize(ids);
  }
  CHECK(num_tokens == shard.num_tokens());
  CHECK(num_targets == shard.num_targets());
}

void CheckRoundTrip(const TokenShard& shard) {
  static const TemporaryDirectory directory;
  const auto path = directory / "written.shard";
  TokenShardWriter writer(path, shard.layout());
  ShardPart part;
  for (int64_t i = 0; i < shard.num_samples(); ++i) {
    part.Append(shard.layout(), shard.CopySample(i), 0, shard.SampleLine(i));
  }
  writer.Append(part);
  writer.Finish(shard.counts());
  const TokenShard again(path);
  CHECK(again.layout() == shard.layout() && again.counts() == shard.counts());
  CHECK(again.num_samples() == shard.num_samples());
  for (int64_t i = 0; i < shard.num_samples(); ++i) {
    CHECK(again.CopySample(i).ids == shard.CopySample(i).ids, i);
    CHECK(again.SampleTargets(i) == shard.SampleTargets(i), i);
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string text(AsText(data, size));
  const std::string sealed = WithChecksum(text);
  for (const std::string* bytes : {&text, &sealed}) {
    try {
      const TokenShard shard(std::as_bytes(std::span(*bytes)), "fuzz");
      CheckSamples(shard);
      CheckRoundTrip(shard);
      CHECK(shard.Documents().size() <= static_cast<size_t>(shard.num_samples()));
    } catch (const FormatError&) {
    }
  }
  return 0;
}
