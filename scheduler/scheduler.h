#pragma once
// Decides what each step computes and what becomes of the results: sequences, their pages, their
// ends. Host only, no threads, no clock: time is passed in. Owned by EngineLoop; engine thread
// only.
//
// A step is Prepare, Runner::Run, then Complete or Fail. Between steps: Add, Cancel, Expire,
// WeightsChanged. Events pile up until TakeDeliveries.

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "scheduler/engine_observer.h"
#include "scheduler/engine_stats.h"
#include "scheduler/page_allocator.h"
#include "scheduler/planner.h"
#include "scheduler/prefix_cache.h"
#include "scheduler/queue_ledger.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/sequence.h"
#include "scheduler/step_builder.h"
#include "scheduler/step_cost.h"

namespace tandem {

// What clients are told when the engine has given up.
inline constexpr const char* kEngineStopped =
    "the engine stopped after failures; the server must be restarted";

struct Submission {
  std::shared_ptr<const Request> request;  // shared with the connection
  std::shared_ptr<Outbox> outbox;          // shared with the connection
};

struct Delivery {
  std::shared_ptr<Outbox> outbox;  // shared with the connection
  RequestId id{};
  TokenEvent event;
};

class Scheduler {
 public:
  // The observer outlives the scheduler.
  Scheduler(const RunnerLimits& limits, const SchedulerConfig& config, EngineObserver& observer);

  // The request passed CheckRequest and its id is not live. Where it makes the queue longer than
  // its bounds, the last of those that are less urgent end with kDisplaced.
  void Add(const Submission& submission, Clock::time_point now);
  void Refuse(const Submission& submission);       // ends it with kFailed at once
  void Cancel(RequestId id, FinishReason reason);  // unknown ids are ignored
  void Expire(Clock::time_point now);              // ends those whose deadline has passed
  void EndAll(FinishReason reason, const std::string& message = {});
  bool IsLive(RequestId id) const { return sequences_.contains(id); }
  bool HasWork() const { return !sequences_.empty(); }

  // Plans a step, commits it and says what to run. Only when there is work.
  const StepBatch& Prepare(Clock::time_point now);
  void Complete(StepResult& result,
                Clock::time_point now);  // takes what it delivers out of `result`
  void Fail();  // the step that was prepared: its sequences end with kFailed

  // Between steps: nothing computed before may be used again.
  void WeightsChanged();
  // After a broken invariant: tells every request, and touches nothing else.
  void Abandon();

  void TakeDeliveries(std::vector<Delivery>& deliveries);  // replaces its content
  Departures TakeDepartures() { return std::exchange(departures_, {}); }
  QueueProgress progress(Clock::time_point now) const;
  EngineStats stats() const;
  // Every page is held by exactly the sequences that name it and by the cache. O(num_pages).
  void CheckIntegrity() const;

 private:
  // Prepare.
  void Commit(const StepPlan& plan, Clock::time_point now);
  void Start(Sequence& sequence, Clock::time_point now);
  void TakeHits(Sequence& sequence, std::span<const PageId> pages);
  void TakePages(Sequence& sequence, int64_t num_tokens);
  PageId TakePage();

  // Complete.
  void CompleteSequence(const StepEntry& entry, SequenceResult& result, Clock::time_point now);
  void ShareFullPages(Sequence& sequence);
  void Deliver(Sequence& sequence, ScoredToken token, Clock::time_point now);
  bool EndsSequence(const Sequence& sequence, TokenId token) const;

  void DisplaceFor(const Sequence& added);
  void LeaveQueue(const Request& request);
  void Preempt(Sequence& sequence);
  void ReleasePages(Sequence& sequence);
  void Enqueue(Sequence& sequence);
  void Dequeue(Sequence& sequence);
  void Emit(const Sequence& sequence, TokenEvent event);
  void End(Sequence& sequence, TokenEvent event);  // destroys `sequence`
  void CountEnd(FinishReason reason);

  RunnerLimits limits_;
  SchedulerConfig config_;
  EngineObserver& observer_;
  PageAllocator allocator_;
  PrefixCache cache_;
  std::unordered_map<RequestId, std::unique_ptr<Sequence>> sequences_;  // all that are live
  Queues queues_;
  StepCost cost_;
  Planner planner_;
  std::set<std::pair<Clock::time_point, Sequence*>> deadlines_;
  std::vector<StepEntry> step_;  // prepared and not yet completed
  StepSize step_size_;
  Clock::time_point prepared_at_;
  StepBatch batch_;
  std::vector<Delivery> deliveries_;
  Departures departures_;
  int64_t num_queued_ = 0;  // of the bounded queue: waiting, and never ran
  int64_t num_queued_tokens_ = 0;
  EngineStats stats_;
  uint64_t num_arrivals_ = 0;
};

}  // namespace tandem
