#include "trainer/data/token_shard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"
#include "trainer/data/token_shard_format.h"
#include "trainer/data/train_batch.h"

namespace tandem {
namespace {

const TrainSample kMasked{.ids = {1, 70, 300, 5, 6, 7, 8, 9, 10, 2},
                          .is_target = {1, 0, 1, 1, 0, 1, 0, 0, 0, 1}};
const TrainSample kPlain{.ids = {1, 4, 2}, .is_target = {}};

class TokenShardFile : public testing::Test {
 protected:
  std::filesystem::path WriteShard(const ShardLayout& layout,
                                   const std::vector<TrainSample>& samples) {
    const auto path = directory_ / "test.shard";
    TokenShardWriter writer(path, layout);
    for (size_t i = 0; i < samples.size(); ++i) {
      ShardPart part;
      part.Append(layout, samples[i], 100 + i, static_cast<int64_t>(i + 1));
      writer.Append(part);
    }
    writer.Finish({.num_lines = 7, .num_bad = 2});
    return path;
  }
  // A masked shard with one field of its trailer or header changed, and a checksum that fits.
  std::string ProblemOf(const std::function<void(std::string*)>& change) {
    std::string bytes = ReadMasked();
    change(&bytes);
    Hash64 hash;
    hash.Update(std::string_view(bytes).substr(0, bytes.size() - 8));
    const uint64_t checksum = hash.Digest();
    std::memcpy(bytes.data() + bytes.size() - 8, &checksum, 8);
    return MessageOf<FormatError>([&] { TokenShard(std::as_bytes(std::span(bytes)), "hostile"); });
  }
  std::string ReadMasked() {
    WriteShard({.fingerprint = 5, .vocab_size = 6400, .has_mask = true}, {kMasked, kPlain});
    return directory_.Read("test.shard");
  }
  TemporaryDirectory directory_;
};

TEST_F(TokenShardFile, KeepsSamplesInTwoOrFourBytesWithAndWithoutMask) {
  for (const int64_t vocab_size : {6400, 65536, 65537, 200000}) {
    for (const bool has_mask : {true, false}) {
      SCOPED_TRACE(vocab_size);
      const TrainSample first = has_mask ? kMasked : kPlain;
      TrainSample high{.ids = {0, static_cast<TokenId>(vocab_size - 1)}, .is_target = {}};
      const TokenShard shard(WriteShard(
          {.fingerprint = 5, .vocab_size = vocab_size, .has_mask = has_mask}, {first, high}));
      EXPECT_EQ(shard.layout().fingerprint, 5u);
      EXPECT_EQ(shard.num_samples(), 2);
      EXPECT_EQ(shard.num_tokens(), std::ssize(first.ids) + 2);
      EXPECT_EQ(shard.num_targets(), first.NumTargets() + 1);
      EXPECT_EQ(shard.counts(), (DataCounts{.num_lines = 7, .num_bad = 2}));
      EXPECT_EQ(shard.CopySample(0).ids, first.ids);
      EXPECT_EQ(shard.CopySample(1).ids, high.ids);
      EXPECT_EQ(shard.SampleLine(1), 2);
      EXPECT_EQ(shard.SampleTargets(0), first.NumTargets());
    }
  }
}

TEST_F(TokenShardFile, GivesTheNextTokenAsTargetWhereItIsLearned) {
  const TokenShard shard(
      WriteShard({.fingerprint = 1, .vocab_size = 6400, .has_mask = true}, {kMasked, kPlain}));
  std::vector<int32_t> ids, targets;
  shard.AppendSample(0, &ids, &targets);
  shard.AppendSample(1, &ids, &targets);
  constexpr int32_t kNone = TrainBatch::kNoTarget;
  EXPECT_EQ(ids, (std::vector<int32_t>{1, 70, 300, 5, 6, 7, 8, 9, 10, 2, 1, 4, 2}));
  EXPECT_EQ(targets, (std::vector<int32_t>{kNone, 300, 5, kNone, 7, kNone, kNone, kNone, 2, kNone,
                                           4, 2, kNone}));
}

TEST_F(TokenShardFile, IsRefusedWhereverItEnds) {
  const std::string bytes = ReadMasked();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto part = std::as_bytes(std::span(bytes)).first(size);
    EXPECT_THROW(TokenShard(part, "cut"), FormatError) << size;
  }
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] {
                         TokenShard(std::as_bytes(std::span(bytes)).first(bytes.size() - 1), "cut");
                       }),
                       "cut: its checksum does not fit"));
}

TEST_F(TokenShardFile, IsRefusedWithAnyBitChanged) {
  std::string bytes = ReadMasked();
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
    EXPECT_THROW(TokenShard(std::as_bytes(std::span(bytes)), "changed"), FormatError) << i;
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
  }
}

TEST_F(TokenShardFile, IsRefusedWhenItsNumbersLieThoughItsChecksumFits) {
  const auto put = [](size_t from_end, auto value) {
    return [=](std::string* bytes) {
      std::memcpy(bytes->data() + bytes->size() - from_end, &value, sizeof(value));
    };
  };
  const auto put_front = [](size_t at, auto value) {
    return [=](std::string* bytes) { std::memcpy(bytes->data() + at, &value, sizeof(value)); };
  };
  constexpr size_t kTrailer = sizeof(ShardTrailer);
  constexpr size_t kEntry = sizeof(ShardPart::Entry);
  const auto huge = uint64_t{1} << 63;
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer, huge)), "cannot hold"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer, uint64_t{0})), "cannot hold"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer - 8, huge)), "cannot hold"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer - 8, uint64_t{1})), "cannot hold"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer + kEntry - 16, uint32_t{0xFFFFFFFF})),
                       "sample 1 has 4294967295 tokens, which do not fit"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer + kEntry - 16, uint32_t{0})), "which do not fit"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer + kEntry - 16, uint32_t{2})), "sample 1 has 1"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer + kEntry - 20, uint32_t{9})),
                       "2 tokens to learn, and its index says 9"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer + kEntry - 8 - 8, uint64_t{0})), "tokens"));
  EXPECT_TRUE(Contains(ProblemOf(put(kTrailer + 2 * kEntry - 8, uint64_t{0})), "of line 0"));
  EXPECT_TRUE(Contains(ProblemOf(put_front(sizeof(ShardHeader), uint16_t{6400})),
                       "sample 0 has the token 6400; the vocabulary has 6400"));
  EXPECT_TRUE(Contains(ProblemOf(put_front(0, 'X')), "no shard"));
  EXPECT_TRUE(Contains(ProblemOf(put_front(8, uint32_t{9})), "version 9"));
  EXPECT_TRUE(Contains(ProblemOf(put_front(12, uint32_t{3})), "unknown flags 3"));
  EXPECT_TRUE(Contains(ProblemOf(put_front(24, uint64_t{0})), "vocabulary of 0"));
  EXPECT_TRUE(Contains(ProblemOf(put_front(24, huge)), "vocabulary of"));
}

TEST_F(TokenShardFile, KnowsItsDocumentsThoughTheyAreSplit) {
  const ShardLayout layout{.fingerprint = 1, .vocab_size = 10, .has_mask = false};
  const auto path = directory_ / "split.shard";
  TokenShardWriter writer(path, layout);
  ShardPart part;
  part.Append(layout, kPlain, 77, 1);
  part.Append(layout, kPlain, 77, 1);
  part.Append(layout, kPlain, 78, 4);
  writer.Append(part);
  writer.Finish({});
  const std::vector<DocumentKey> documents = TokenShard(path).Documents();
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].content_hash, 77u);
  EXPECT_EQ(documents[1].line, 4);
}

TEST_F(TokenShardFile, IsNotThereUntilItIsFinished) {
  const auto path = directory_ / "unfinished.shard";
  {
    TokenShardWriter writer(path, {.vocab_size = 10});
    ShardPart part;
    part.Append({.vocab_size = 10}, kPlain, 1, 1);
    writer.Append(part);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace tandem
