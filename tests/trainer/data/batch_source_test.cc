#include "trainer/data/batch_source.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"
#include "trainer/data/prefetch.h"

namespace tandem {
namespace {

constexpr int32_t kNone = TrainBatch::kNoTarget;

// Sample i has 2 + i % 7 tokens, and its first is i.
class Batches : public testing::Test {
 protected:
  TokenShard Shard(int num_samples, const std::string& name = "a") {
    const ShardLayout layout{.fingerprint = 3, .vocab_size = 1000, .has_mask = true};
    const auto path = directory_ / (name + ".shard");
    TokenShardWriter writer(path, layout);
    ShardPart part;
    for (int i = 0; i < num_samples; ++i) {
      TrainSample sample{.ids = {i}, .is_target = {0}};
      for (int j = 0; j <= i % 7; ++j) {
        sample.ids.push_back(500 + j);
        sample.is_target.push_back(j % 3 != 1 ? 1 : 0);
      }
      part.Append(layout, sample, static_cast<uint64_t>(i), i + 1);
    }
    writer.Append(part);
    writer.Finish({});
    return TokenShard(path);
  }
  std::unique_ptr<ShardBatchSource> Source(int num_samples, const BatchOptions& options,
                                           int64_t repeats = 1) {
    std::vector<RepeatedShard> shards;
    shards.push_back({.shard = Shard(num_samples), .repeats = repeats});
    return std::make_unique<ShardBatchSource>(std::move(shards), options);
  }
  TemporaryDirectory directory_;
};

void ExpectSame(const PositionedBatch& a, const PositionedBatch& b) {
  EXPECT_EQ(a.position, b.position);
  EXPECT_EQ(a.next, b.next);
  EXPECT_EQ(a.num_in_epoch, b.num_in_epoch);
  EXPECT_EQ(a.batch.token_ids, b.batch.token_ids);
  EXPECT_EQ(a.batch.cu_seqlens, b.batch.cu_seqlens);
  EXPECT_EQ(a.batch.targets, b.batch.targets);
}

TEST_F(Batches, HaveSequencesWithTheirNextTokens) {
  const auto source =
      Source(4, {.row_tokens = 8, .micro_batch_rows = 2, .order = SampleOrder::kAsInFile});
  const PositionedBatch first = source->Next();
  EXPECT_EQ(first.batch.token_ids, (std::vector<int32_t>{0, 500, 1, 500, 501, 2, 500, 501, 502}));
  EXPECT_EQ(first.batch.cu_seqlens, (std::vector<int32_t>{0, 2, 5, 9}));
  EXPECT_EQ(first.batch.targets,
            (std::vector<int32_t>{500, kNone, 500, kNone, kNone, 500, kNone, 502, kNone}));
  EXPECT_TRUE(first.batch.weights.empty());
  EXPECT_EQ(first.num_in_epoch, 2);
  EXPECT_FALSE(first.ends_epoch());
  const PositionedBatch second = source->Next();  // what is left: one row
  EXPECT_EQ(second.batch.num_sequences(), 1);
  EXPECT_TRUE(second.ends_epoch());
  EXPECT_EQ(second.next, (DataPosition{.epoch = 1, .micro_batch = 0}));
}

TEST_F(Batches, GiveEachSampleOnceInAnEpochAndInAnotherOrderInTheNext) {
  const auto source = Source(100, {.row_tokens = 20, .micro_batch_rows = 3, .seed = 5});
  std::vector<std::vector<int32_t>> orders;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<int32_t> order;
    for (bool ended = false; !ended;) {
      const PositionedBatch next = source->Next();
      EXPECT_EQ(next.position.epoch, epoch);
      for (int64_t s = 0; s < next.batch.num_sequences(); ++s) {
        order.push_back(
            next.batch
                .token_ids[static_cast<size_t>(next.batch.cu_seqlens[static_cast<size_t>(s)])]);
      }
      ended = next.ends_epoch();
    }
    EXPECT_EQ(order.size(), 100u);
    EXPECT_EQ(std::set<int32_t>(order.begin(), order.end()).size(), 100u);
    orders.push_back(order);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_GT(source->FillOf(0), 0.9);
}

TEST_F(Batches, RepeatFilesAndMixThem) {
  std::vector<RepeatedShard> shards;
  shards.push_back({.shard = Shard(10, "a"), .repeats = 3});
  shards.push_back({.shard = Shard(5, "b"), .repeats = 1});
  ShardBatchSource source(std::move(shards), {.row_tokens = 10, .micro_batch_rows = 1000});
  EXPECT_EQ(source.num_samples(), 35);
  const PositionedBatch all = source.Next();
  EXPECT_TRUE(all.ends_epoch());
  std::map<int32_t, int> counts;
  for (int64_t s = 0; s < all.batch.num_sequences(); ++s) {
    ++counts[all.batch
                 .token_ids[static_cast<size_t>(all.batch.cu_seqlens[static_cast<size_t>(s)])]];
  }
  for (int32_t i = 0; i < 10; ++i) EXPECT_EQ(counts[i], i < 5 ? 4 : 3) << i;
}

TEST_F(Batches, ContinueExactlyWhereTheyWere) {
  const BatchOptions options{.row_tokens = 16, .micro_batch_rows = 2, .seed = 8};
  const auto whole = Source(60, options);
  std::vector<PositionedBatch> expected;
  for (int i = 0; i < 40; ++i) expected.push_back(whole->Next());
  ASSERT_GT(expected.back().position.epoch, 0);
  for (size_t from = 0; from < expected.size(); ++from) {
    const auto again = Source(60, options);
    again->Seek(expected[from].position);
    EXPECT_EQ(again->position(), expected[from].position);
    for (size_t i = from; i < std::min(from + 3, expected.size()); ++i) {
      ExpectSame(again->Next(), expected[i]);
    }
  }
}

TEST_F(Batches, RefusePositionsThatAreNotThere) {
  const auto source = Source(10, {.row_tokens = 16, .micro_batch_rows = 2});
  const int64_t count = source->NumMicroBatches(0);
  EXPECT_TRUE(
      Contains(MessageOf<ConfigError>([&] { source->Seek({.epoch = 0, .micro_batch = count}); }),
               "the data or its options have changed"));
  EXPECT_THROW(source->Seek({.epoch = 0, .micro_batch = -1}), ConfigError);
  EXPECT_THROW(source->Seek({.epoch = -1, .micro_batch = 0}), ConfigError);
  EXPECT_EQ(source->position(), DataPosition{});
}

TEST_F(Batches, RefuseSamplesThatAreLongerThanARow) {
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { Source(10, {.row_tokens = 5}); }),
                       "the sample of line 5 has 6 tokens, and a row 5"));
  EXPECT_THROW(Source(0, {}), ConfigError);
  EXPECT_THROW(Source(1, {.micro_batch_rows = 0}), ConfigError);
  EXPECT_THROW(Source(1, {}, /*repeats=*/0), ConfigError);
  EXPECT_THROW(Source(1, {.row_tokens = INT64_MAX}), ConfigError);
}

TEST_F(Batches, HaveAFingerprintOfAllThatDecidesThem) {
  const uint64_t first = Source(10, {})->fingerprint();
  EXPECT_EQ(Source(10, {})->fingerprint(), first);
  EXPECT_NE(Source(10, {.row_tokens = 513})->fingerprint(), first);
  EXPECT_NE(Source(10, {.micro_batch_rows = 31})->fingerprint(), first);
  EXPECT_NE(Source(10, {.packing = Packing::kNone})->fingerprint(), first);
  EXPECT_NE(Source(10, {.seed = 1})->fingerprint(), first);
  EXPECT_NE(Source(10, {}, /*repeats=*/2)->fingerprint(), first);
}

TEST_F(Batches, ArePrefetchedInTheSameOrder) {
  const BatchOptions options{.row_tokens = 16, .micro_batch_rows = 2, .seed = 8};
  const auto plain = Source(60, options);
  for (const size_t depth : {1, 2, 7}) {
    plain->Seek({});
    PrefetchingSource prefetching(Source(60, options), depth);
    EXPECT_EQ(prefetching.fingerprint(), plain->fingerprint());
    for (int i = 0; i < 50; ++i) {
      ExpectSame(prefetching.Next(), plain->Next());
      EXPECT_EQ(prefetching.position(), plain->position());
    }
    EXPECT_EQ(prefetching.NumMicroBatches(5), plain->NumMicroBatches(5));
    ExpectSame(prefetching.Next(), plain->Next());
    prefetching.Seek({.epoch = 1, .micro_batch = 2});
    plain->Seek({.epoch = 1, .micro_batch = 2});
    ExpectSame(prefetching.Next(), plain->Next());
    EXPECT_THROW(prefetching.Seek({.epoch = 1, .micro_batch = 9999}), ConfigError);
    ExpectSame(prefetching.Next(), plain->Next());
  }
}

TEST_F(Batches, StopWhenNobodyWantsThem) {
  for (int i = 0; i < 20; ++i) {
    PrefetchingSource prefetching(Source(60, {.row_tokens = 16, .micro_batch_rows = 1}), 3);
    if (i % 2 == 0) prefetching.Next();
  }
}

// Fails at the fourth micro-batch until somebody seeks.
class FailingSource final : public BatchSource {
 public:
  PositionedBatch Next() override {
    if (position_.micro_batch == 3) throw DeviceError("the disk is gone");
    PositionedBatch next{.batch = {}, .position = position_, .next = position_, .num_in_epoch = 9};
    ++next.next.micro_batch;
    position_ = next.next;
    return next;
  }
  void Seek(DataPosition position) override { position_ = position; }
  DataPosition position() const override { return position_; }
  int64_t NumMicroBatches(int64_t) override { return 9; }
  uint64_t fingerprint() const override { return 0; }

 private:
  DataPosition position_;
};

TEST(Prefetching, GivesErrorsAtTheirPlace) {
  PrefetchingSource prefetching(std::make_unique<FailingSource>(), 8);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(prefetching.Next().position.micro_batch, i);
  EXPECT_EQ(MessageOf<DeviceError>([&] { prefetching.Next(); }), "the disk is gone");
  EXPECT_THROW(prefetching.Next(), DeviceError);
  prefetching.Seek({.epoch = 0, .micro_batch = 5});
  EXPECT_EQ(prefetching.Next().position.micro_batch, 5);
}

}  // namespace
}  // namespace tandem
