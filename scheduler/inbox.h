#pragma once
// The way into the engine: a bounded queue of commands. Any thread puts in; the engine thread takes
// out. It also counts what is accepted and live, so that draining knows when all have ended.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <unordered_set>
#include <variant>
#include <vector>

#include "scheduler/outbox.h"
#include "scheduler/queue_ledger.h"
#include "scheduler/request.h"
#include "scheduler/scheduler.h"

namespace tandem {

// What makes `request` impossible here, whatever the load. Costs a pass over the prompt.
std::optional<Rejection> CheckRequest(const Request& request, const RunnerLimits& limits,
                                      Clock::time_point now);

// Commands, in the order in which they came.
struct Cancellation {
  RequestId id{};
  FinishReason reason{};
};
struct EndAllCommand {
  FinishReason reason{};
};
using PausedTask = std::packaged_task<void(Scheduler&)>;
using Command = std::variant<Submission, Cancellation, EndAllCommand, PausedTask>;

enum class InboxWait : uint8_t { kUntilCommand, kNever };

struct InboxCounts {
  int64_t num_pending = 0;  // submissions not yet taken
  int64_t num_queued_tokens = 0;
  double queue_seconds = 0.0;  // EngineStats's
  uint64_t accepted = 0;
  uint64_t rejected = 0;
};

class Inbox {
 public:
  Inbox(const RunnerLimits& limits, const SchedulerConfig& config);

  // Any thread.
  std::optional<Rejection> Submit(Submission submission);
  void Cancel(RequestId id, FinishReason reason);
  void EndAll(FinishReason reason);
  std::future<void> Post(std::function<void(Scheduler&)> fn);
  // Submit rejects with `why` from now on; the first reason stays.
  void Close(Rejection why);
  // True when nothing accepted is live any more; false at the deadline.
  bool WaitUntilEmpty(Clock::time_point deadline);
  void WaitUntilEmpty();
  InboxCounts counts() const;

  // Engine thread. Takes all commands, waiting for one if told to; none when `stop` was requested.
  void Take(InboxWait wait, const std::stop_token& stop, std::vector<Command>& commands);
  bool HasCommands() const;                 // that Take would take
  void Left(const Departures& departures);  // the bounded queue
  void Advance(const QueueProgress& progress);
  void Forget(RequestId id);     // it is ending: the id may be used again
  void Ended(int64_t num_ends);  // their terminal events are in their outboxes

 private:
  std::optional<Rejection> Refuse(const Request& request) const;
  template <typename Value>
  void Put(Value command);

  const RunnerLimits limits_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any has_commands_;
  std::condition_variable is_empty_;
  std::vector<Command> commands_;
  std::unordered_set<RequestId> live_;
  std::optional<Rejection> closed_;
  InboxCounts counts_;
  QueueLedger queue_;
  int64_t num_live_ = 0;
};

}  // namespace tandem
