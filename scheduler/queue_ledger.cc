#include "scheduler/queue_ledger.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/core/check.h"

namespace tandem {
namespace {

// For how many changes of all running requests what was seen of the queue's pace counts.
constexpr double kMemoryTurns = 4.0;

}  // namespace

QueueLedger::QueueLedger(const SchedulerConfig& config)
    : max_requests_(config.max_queued_requests),
      max_tokens_(config.max_queued_tokens),
      max_running_(config.max_sequences),
      max_wait_(config.max_queue_time),
      num_free_slots_(config.max_sequences) {}

// A queue with nobody ahead takes any one request, or else a prompt above the bound could never
// run.
bool QueueLedger::HasRoom(int32_t priority, int64_t num_tokens) const {
  const Count ahead = Ahead(priority);
  if (ahead.num_requests == 0) return true;
  if (ahead.num_requests >= max_requests_ || ahead.num_tokens + num_tokens > max_tokens_) {
    return false;
  }
  return max_wait_ == Seconds(0) || ExpectedWait(priority) <= max_wait_;
}

QueueLedger::Seconds QueueLedger::ExpectedWait(int32_t priority) const {
  const int64_t num_before = Ahead(priority).num_requests + 1 - num_free_slots_;
  if (num_before <= 0) return Seconds(0);
  // Before all that ran first have ended: as if they all ended now. So a wait is rather too short.
  const double num_left = std::max(num_left_, static_cast<double>(max_running_));
  return Seconds(static_cast<double>(num_before) * seconds_observed_ / num_left);
}

int64_t QueueLedger::num_tokens() const {
  return Ahead(std::numeric_limits<int32_t>::max()).num_tokens;
}

QueueLedger::Count QueueLedger::Ahead(int32_t priority) const {
  Count ahead;
  for (const auto& [other, count] : counts_) {
    if (other > priority) break;
    ahead.num_requests += count.num_requests;
    ahead.num_tokens += count.num_tokens;
  }
  return ahead;
}

void QueueLedger::Join(int32_t priority, int64_t num_tokens) {
  Count& count = counts_[priority];
  count.num_requests += 1;
  count.num_tokens += num_tokens;
}

void QueueLedger::Leave(const Departures& departures) {
  for (const Departure& departure : departures) {
    const auto place = counts_.find(departure.priority);
    CHECK(place != counts_.end(), departure.priority);
    place->second.num_requests -= 1;
    place->second.num_tokens -= departure.num_tokens;
    if (place->second.num_requests == 0) counts_.erase(place);
  }
  num_left_since_ += static_cast<double>(departures.size());
}

// Those that find free slots at once say nothing of how fast a queue moves, so a step counts only
// if somebody had to wait for it.
void QueueLedger::Advance(const QueueProgress& progress) {
  if (somebody_waited_) {
    const double kept =
        std::exp(-num_left_since_ / (kMemoryTurns * static_cast<double>(max_running_)));
    seconds_observed_ = seconds_observed_ * kept + Seconds(progress.now - last_advance_).count();
    num_left_ = num_left_ * kept + num_left_since_;
  }
  num_left_since_ = 0.0;
  last_advance_ = progress.now;
  somebody_waited_ = progress.somebody_waits;
  num_free_slots_ = progress.somebody_waits ? 0 : max_running_ - progress.num_running;
}

}  // namespace tandem
