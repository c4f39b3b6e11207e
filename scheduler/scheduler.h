#pragma once
// Decides what each step computes and what becomes of the results: sequences, their pages, their
// ends. Host only, no threads, no clock: time is passed in. Owned by EngineLoop; engine thread
// only.
//
// A step is Prepare, Runner::Run, then Complete or Fail. Between steps: Add, Cancel, Expire,
// WeightsChanged. Events pile up until TakeDeliveries.
//
// With a runner that overlaps, the step after may be prepared before a step is completed:
//
//   Prepare 1   PrepareAhead 2   Complete 1   PrepareAhead 3   Complete 2   ...   Complete n
//   |---- 1 under way ----------------------|
//               |---- 2 under way ---------------------------------------|
//
// Whoever ends in 1 and has a place in 2 ends for the client at once, but its pages are held until
// 2 is completed, and what 2 says of it is dropped.

#include <array>
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
  // While one step is prepared and not completed: the step after it, if that is sure to be the one
  // that Prepare would plan then (but for those who end unexpectedly), and only draws; else null.
  // Nobody who waits can come in, none that runs is still in its prompt or has penalties, which
  // need the token that is pending, and pages suffice.
  const StepBatch* PrepareAhead(Clock::time_point now);
  // The step that was prepared first. Takes what it delivers out of `result`.
  void Complete(StepResult& result, Clock::time_point now);
  void Fail();  // all steps that are prepared: their sequences end with kFailed

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
  // Prepared and not yet completed. What a step uses stays in place until it is.
  struct PreparedStep {
    std::vector<StepEntry> entries;
    StepSize size;
    Clock::time_point prepared_at;
    StepBatch batch;
    std::vector<std::unique_ptr<Sequence>> ended;  // since then, with their pages
    std::vector<PageId> replaced;  // its sequences hold cached pages of the same content instead
  };

  // Prepare.
  PreparedStep& AddStep(Clock::time_point now);
  PreparedStep& oldest() { return steps_[oldest_]; }
  PreparedStep* ahead() { return num_prepared_ == 2 ? &steps_[1 - oldest_] : nullptr; }
  bool MayRunAhead(Clock::time_point now);
  bool GoesOn(const StepEntry& entry) const;
  void Commit(const StepPlan& plan, PreparedStep& step);
  void Start(Sequence& sequence, Clock::time_point now);
  void TakeHits(Sequence& sequence, std::span<const PageId> pages);
  void GrowTo(Sequence& sequence, int64_t num_tokens);
  PageId TakePage();

  // Complete.
  void CompleteSequence(const StepEntry& entry, SequenceResult& result, Clock::time_point now);
  void ShareFullPages(Sequence& sequence);
  PageId Share(const PageKey& key, PageId page);
  void Deliver(Sequence& sequence, ScoredToken token, Clock::time_point now);
  bool EndsSequence(const Sequence& sequence, TokenId token) const;
  void RemoveOldest();

  void DisplaceFor(const Sequence& added);
  void LeaveQueue(const Request& request);
  void Preempt(Sequence& sequence);
  void ReleasePages(Sequence& sequence);
  void Enqueue(Sequence& sequence);
  void Dequeue(Sequence& sequence);
  void Emit(const Sequence& sequence, TokenEvent event);
  void End(Sequence& sequence, TokenEvent event);  // `sequence` is gone, but for the step ahead
  bool HoldForStepAhead(Sequence& sequence);
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
  std::array<PreparedStep, 2> steps_;  // in turn
  size_t oldest_ = 0;
  int num_prepared_ = 0;
  Clock::time_point completed_at_;  // the last step
  std::vector<Delivery> deliveries_;
  Departures departures_;
  int64_t num_queued_ = 0;  // of the bounded queue: waiting, and never ran
  int64_t num_queued_tokens_ = 0;
  EngineStats stats_;
  uint64_t num_arrivals_ = 0;
};

}  // namespace tandem
