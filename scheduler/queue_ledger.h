#pragma once
// What is accepted and does not run yet, by priority, and how fast it comes to run: whether another
// request may join, and how long it would wait. A request waits for those as urgent as itself or
// more, so only they count against it; that less urgent ones then give up their places is the
// scheduler's work. No lock of its own: the Inbox guards it.

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include "scheduler/request.h"
#include "scheduler/scheduler_config.h"

namespace tandem {

// One that left the queue: it started, or ended before.
struct Departure {
  int32_t priority = 0;
  int64_t num_tokens = 0;  // of its prompt
};
using Departures = std::vector<Departure>;

// What became of the queue in the plan of a step.
struct QueueProgress {
  Clock::time_point now;
  int64_t num_running = 0;
  bool somebody_waits = false;  // although there was a plan: slots, pages or tokens ran out
};

class QueueLedger {
 public:
  using Seconds = std::chrono::duration<double>;

  explicit QueueLedger(const SchedulerConfig& config);

  bool HasRoom(int32_t priority, int64_t num_tokens) const;
  // Until a request that comes now has its turn, by how fast the queue moved while somebody had to
  // wait; the latest of such times count most. 0 where slots are free.
  Seconds ExpectedWait(int32_t priority) const;
  int64_t num_tokens() const;

  void Join(int32_t priority, int64_t num_tokens);
  void Leave(const Departures& departures);
  void Advance(const QueueProgress& progress);  // after each plan

 private:
  struct Count {
    int64_t num_requests = 0;
    int64_t num_tokens = 0;
  };
  Count Ahead(int32_t priority) const;

  const int64_t max_requests_;
  const int64_t max_tokens_;
  const int64_t max_running_;
  const Seconds max_wait_;  // 0: any

  std::map<int32_t, Count> counts_;  // by priority; none is empty
  int64_t num_free_slots_;
  bool somebody_waited_ = false;
  Clock::time_point last_advance_{};
  double num_left_since_ = 0.0;  // since last_advance_
  // While somebody waited; both are forgotten at the same pace.
  double seconds_observed_ = 0.0;
  double num_left_ = 0.0;
};

}  // namespace tandem
