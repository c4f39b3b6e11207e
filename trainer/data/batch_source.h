#pragma once
// Where micro-batches come from. A position names a micro-batch exactly: saved in a checkpoint and
// sought after a restart, it gives the same bits, on any machine. A source belongs to one thread.

#include <cstdint>
#include <vector>

#include "trainer/data/packing.h"
#include "trainer/data/token_shard.h"
#include "trainer/data/train_batch.h"

namespace tandem {

// The next micro-batch to be delivered.
struct DataPosition {
  int64_t epoch = 0;
  int64_t micro_batch = 0;  // in the epoch
  bool operator==(const DataPosition&) const = default;
};

struct PositionedBatch {
  TrainBatch batch;
  DataPosition position;     // of this batch
  DataPosition next;         // where to go on after it: what a checkpoint keeps
  int64_t num_in_epoch = 0;  // micro-batches
  bool ends_epoch() const { return position.micro_batch + 1 == num_in_epoch; }
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // Epoch follows epoch without end.
  virtual PositionedBatch Next() = 0;
  // Throws ConfigError when there is no such micro-batch: the data or its options are not those
  // that the position is from.
  virtual void Seek(DataPosition position) = 0;
  virtual DataPosition position() const = 0;
  // How many micro-batches an epoch has; rows fill a little differently in each.
  virtual int64_t NumMicroBatches(int64_t epoch) = 0;
  // Of the data and of all options that decide what a position means.
  virtual uint64_t fingerprint() const = 0;
};

enum class SampleOrder : uint8_t {
  kShuffled,  // another order in each epoch
  kAsInFile,
};

struct BatchOptions {
  int64_t row_tokens = 512;       // no sample is longer
  int64_t micro_batch_rows = 32;  // the last of an epoch has what is left
  Packing packing = Packing::kFirstFit;
  SampleOrder order = SampleOrder::kShuffled;
  uint64_t seed = 0;
};

struct RepeatedShard {
  TokenShard shard;
  int64_t repeats = 1;  // how often an epoch has its samples
};

// Micro-batches of shards. An epoch's rows are planned when its first micro-batch is asked for:
// 8 bytes a sample and row stay in memory, and a few times that while planning.
class ShardBatchSource final : public BatchSource {
 public:
  // Throws ConfigError when there is no sample, or one is longer than a row.
  ShardBatchSource(std::vector<RepeatedShard> shards, const BatchOptions& options);

  PositionedBatch Next() override;
  void Seek(DataPosition position) override;
  DataPosition position() const override { return position_; }
  int64_t NumMicroBatches(int64_t epoch) override;
  uint64_t fingerprint() const override { return fingerprint_; }

  int64_t num_samples() const { return first_samples_.back(); }  // in an epoch
  // Filled tokens over row_tokens * rows, of an epoch.
  double FillOf(int64_t epoch);

 private:
  // Sample `sample` of an epoch is sample `index` of a shard.
  struct Place {
    const TokenShard& shard;
    int64_t index;
  };
  Place PlaceOf(int64_t sample) const;
  void CheckLengths() const;
  void Plan(int64_t epoch);
  TrainBatch BatchAt(int64_t micro_batch) const;  // of the planned epoch
  int64_t NumPlanned() const;

  std::vector<RepeatedShard> shards_;
  BatchOptions options_;
  std::vector<int64_t> first_samples_;  // [shards + 1]: the first of each shard's in an epoch
  uint64_t fingerprint_ = 0;
  DataPosition position_;
  int64_t planned_epoch_ = -1;  // whose rows these are; none yet: -1
  PackedRows rows_;
};

}  // namespace tandem
