#include "trainer/data/prefetch.h"

#include <utility>

#include "kernels/core/check.h"

namespace tandem {

PrefetchingSource::PrefetchingSource(std::unique_ptr<BatchSource> source, size_t depth)
    : source_(std::move(source)),
      depth_(depth),
      fingerprint_(source_->fingerprint()),
      position_(source_->position()) {
  CHECK(depth > 0);
  Start();
}

PrefetchingSource::~PrefetchingSource() { Stop(); }

void PrefetchingSource::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Produce(stop); });
}

void PrefetchingSource::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  ready_.clear();
  error_ = nullptr;
}

void PrefetchingSource::Produce(const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      PositionedBatch batch = source_->Next();
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return ready_.size() < depth_; })) return;
      ready_.push_back(std::move(batch));
      changed_.notify_one();
    }
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_one();
  }
}

PositionedBatch PrefetchingSource::Next() {
  std::unique_lock lock(mutex_);
  // Ends: the thread delivers or reports an error, whatever happens.
  changed_.wait(lock, [this] { return !ready_.empty() || error_ != nullptr; });
  if (ready_.empty()) std::rethrow_exception(error_);
  PositionedBatch batch = std::move(ready_.front());
  ready_.pop_front();
  position_ = batch.next;
  lock.unlock();
  changed_.notify_one();
  return batch;
}

template <typename Action>
void PrefetchingSource::WhilePaused(const Action& action) {
  Stop();
  std::exception_ptr error;
  try {
    action();
  } catch (...) {
    error = std::current_exception();
  }
  source_->Seek(position_);
  Start();
  if (error) std::rethrow_exception(error);
}

void PrefetchingSource::Seek(DataPosition position) {
  WhilePaused([&] {
    source_->Seek(position);
    position_ = position;
  });
}

int64_t PrefetchingSource::NumMicroBatches(int64_t epoch) {
  int64_t count = 0;
  WhilePaused([&] { count = source_->NumMicroBatches(epoch); });
  return count;
}

}  // namespace tandem
