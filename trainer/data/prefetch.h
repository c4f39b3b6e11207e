#pragma once
// Makes the micro-batches of a source ahead of time, on a thread of its own: the same ones, in the
// same order. The prefetcher owns its source; while the thread runs, nothing else touches that.
// One thread at a time uses the prefetcher.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "trainer/data/batch_source.h"

namespace tandem {

class PrefetchingSource final : public BatchSource {
 public:
  // Keeps up to `depth` micro-batches, at least one, and begins at the source's position.
  PrefetchingSource(std::unique_ptr<BatchSource> source, size_t depth);
  ~PrefetchingSource() override;

  // Waits for the thread when it is behind. Rethrows what the source threw, at its place in the
  // order; after that only Seek helps.
  PositionedBatch Next() override;
  // Stops the thread, throws away what it made, and goes on from there.
  void Seek(DataPosition position) override;
  DataPosition position() const override { return position_; }
  int64_t NumMicroBatches(int64_t epoch) override;  // stops and resumes the thread: plans an epoch
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  void Start();
  void Stop();
  void Produce(const std::stop_token& stop);
  // Lets the caller use the source, then goes on from position_, whatever the action threw.
  template <typename Action>
  void WhilePaused(const Action& action);

  std::unique_ptr<BatchSource> source_;  // the thread's, while it runs
  size_t depth_;
  uint64_t fingerprint_;
  DataPosition position_;  // of what Next gives; the caller's

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<PositionedBatch> ready_;  // guarded by mutex_
  std::exception_ptr error_;           // guarded by mutex_: comes behind what is ready
  std::jthread thread_;                // last: it uses all of the above
};

}  // namespace tandem
