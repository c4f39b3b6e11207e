#include "trainer/data/batch_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/core/check.h"
#include "kernels/core/error.h"
#include "trainer/data/hash64.h"

namespace tandem {
namespace {

// Far more than any run has, and few enough for the numbers of the shuffle.
constexpr int64_t kMaxEpoch = int64_t{1} << 31;
constexpr int64_t kMaxRepeats = 1'000'000;

uint64_t FingerprintOf(const std::vector<RepeatedShard>& shards, const BatchOptions& options) {
  Hash64 hash;
  for (const RepeatedShard& repeated : shards) {
    hash.UpdateNumber(repeated.shard.layout().fingerprint);
    hash.UpdateNumber(static_cast<uint64_t>(repeated.repeats));
  }
  hash.UpdateNumber(static_cast<uint64_t>(options.row_tokens));
  hash.UpdateNumber(static_cast<uint64_t>(options.micro_batch_rows));
  hash.UpdateNumber(static_cast<uint64_t>(options.packing));
  hash.UpdateNumber(static_cast<uint64_t>(options.order));
  hash.UpdateNumber(options.seed);
  return hash.Digest();
}

}  // namespace

ShardBatchSource::ShardBatchSource(std::vector<RepeatedShard> shards, const BatchOptions& options)
    : shards_(std::move(shards)), options_(options), first_samples_{0} {
  if (options.row_tokens < 2 || options.micro_batch_rows < 1) {
    throw ConfigError(
        fmt::format("rows of {} tokens, {} a micro-batch: at least 2 tokens and one "
                    "row are needed",
                    options.row_tokens, options.micro_batch_rows));
  }
  // cu_seqlens counts the tokens of a micro-batch in 32 bits.
  if (options.row_tokens > INT32_MAX / options.micro_batch_rows) {
    throw ConfigError(fmt::format("{} rows of {} tokens: a micro-batch has at most 2^31 - 1 tokens",
                                  options.micro_batch_rows, options.row_tokens));
  }
  for (const RepeatedShard& repeated : shards_) {
    if (repeated.repeats < 1 || repeated.repeats > kMaxRepeats) {
      throw ConfigError(fmt::format("{} is to be repeated {} times; 1 to {} are possible",
                                    repeated.shard.name(), repeated.repeats, kMaxRepeats));
    }
    first_samples_.push_back(first_samples_.back() +
                             repeated.shard.num_samples() * repeated.repeats);
  }
  if (num_samples() == 0) throw ConfigError("there is no sample to train on");
  CheckLengths();
  fingerprint_ = FingerprintOf(shards_, options_);
}

void ShardBatchSource::CheckLengths() const {
  for (const RepeatedShard& repeated : shards_) {
    for (int64_t i = 0; i < repeated.shard.num_samples(); ++i) {
      const int64_t num_tokens = repeated.shard.SampleTokens(i);
      if (num_tokens <= options_.row_tokens) continue;
      throw ConfigError(fmt::format(
          "{}: the sample of line {} has {} tokens, and a row {}: tokenise with at most that many "
          "tokens a sample, or make rows longer",
          repeated.shard.name(), repeated.shard.SampleLine(i), num_tokens, options_.row_tokens));
    }
  }
}

ShardBatchSource::Place ShardBatchSource::PlaceOf(int64_t sample) const {
  const auto after = std::upper_bound(first_samples_.begin(), first_samples_.end(), sample);
  const auto source = static_cast<size_t>(after - first_samples_.begin()) - 1;
  CHECK(source < shards_.size(), sample);
  const TokenShard& shard = shards_[source].shard;
  return {shard, (sample - first_samples_[source]) % shard.num_samples()};
}

void ShardBatchSource::Plan(int64_t epoch) {
  if (epoch == planned_epoch_) return;
  if (epoch < 0 || epoch > kMaxEpoch) throw ConfigError(fmt::format("there is no epoch {}", epoch));
  std::vector<int64_t> order;
  switch (options_.order) {
    case SampleOrder::kShuffled:
      order = ShuffledOrder(num_samples(), options_.seed, epoch);
      break;
    case SampleOrder::kAsInFile:
      order.resize(static_cast<size_t>(num_samples()));
      std::iota(order.begin(), order.end(), int64_t{0});
      break;
  }
  std::vector<int64_t> lengths;
  lengths.reserve(order.size());
  for (const int64_t sample : order) {
    const Place place = PlaceOf(sample);
    lengths.push_back(place.shard.SampleTokens(place.index));
  }
  rows_ = PackRows(order, lengths, options_.row_tokens, options_.packing);
  planned_epoch_ = epoch;
}

int64_t ShardBatchSource::NumPlanned() const {
  return (rows_.num_rows() + options_.micro_batch_rows - 1) / options_.micro_batch_rows;
}

TrainBatch ShardBatchSource::BatchAt(int64_t micro_batch) const {
  const int64_t first_row = micro_batch * options_.micro_batch_rows;
  const int64_t end_row = std::min(rows_.num_rows(), first_row + options_.micro_batch_rows);
  const int64_t begin = rows_.row_begin[static_cast<size_t>(first_row)];
  const int64_t end = rows_.row_begin[static_cast<size_t>(end_row)];
  TrainBatch batch;
  batch.cu_seqlens.push_back(0);
  for (int64_t i = begin; i < end; ++i) {
    const Place place = PlaceOf(rows_.samples[static_cast<size_t>(i)]);
    place.shard.AppendSample(place.index, &batch.token_ids, &batch.targets);
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
  }
  return batch;
}

PositionedBatch ShardBatchSource::Next() {
  Plan(position_.epoch);
  PositionedBatch next{.batch = BatchAt(position_.micro_batch),
                       .position = position_,
                       .next = {.epoch = position_.epoch, .micro_batch = position_.micro_batch + 1},
                       .num_in_epoch = NumPlanned()};
  if (next.ends_epoch()) next.next = {.epoch = position_.epoch + 1, .micro_batch = 0};
  position_ = next.next;
  return next;
}

void ShardBatchSource::Seek(DataPosition position) {
  const int64_t num_micro_batches = NumMicroBatches(position.epoch);
  if (position.micro_batch < 0 || position.micro_batch >= num_micro_batches) {
    throw ConfigError(fmt::format(
        "epoch {} has {} micro-batches and no number {}: the data or its options have changed",
        position.epoch, num_micro_batches, position.micro_batch));
  }
  position_ = position;
}

int64_t ShardBatchSource::NumMicroBatches(int64_t epoch) {
  Plan(epoch);
  return NumPlanned();
}

double ShardBatchSource::FillOf(int64_t epoch) {
  Plan(epoch);
  int64_t num_tokens = 0;
  for (const RepeatedShard& repeated : shards_) {
    num_tokens += repeated.shard.num_tokens() * repeated.repeats;
  }
  return static_cast<double>(num_tokens) /
         static_cast<double>(rows_.num_rows() * options_.row_tokens);
}

}  // namespace tandem
