#include "scheduler/engine_loop.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/core/check.h"
#include "kernels/core/thread_pool.h"
#include "scheduler/inbox.h"
#include "scheduler/scheduler.h"

namespace tandem {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // clang 14 deduces none for aggregates

// Inside a catch block: what was caught.
std::string CaughtMessage() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of unknown type";
  }
}

// What `body` throws says, if it does.
template <typename Body>
std::optional<std::string> FailureOf(Body body) {
  try {
    body();
    return std::nullopt;
  } catch (...) {
    return CaughtMessage();
  }
}

}  // namespace

struct EngineLoop::State {
  State(Runner& runner_used, const SchedulerConfig& config, EngineObserver* optional_observer)
      : runner(runner_used),
        observer(optional_observer != nullptr ? *optional_observer : no_observer),
        max_step_failures(config.max_step_failures),
        give_up_after(config.give_up_after),
        scheduler(runner.limits(), config, observer),
        inbox(runner.limits(), config),
        published(scheduler.stats()),
        thread([this](const std::stop_token& stop) { Loop(stop); }) {}

  // Engine thread.
  void Loop(const std::stop_token& stop);
  void Turn(const std::stop_token& stop);
  template <typename Body>
  void Guarded(Body body);
  void Obey(Command& command);
  void Step(const std::stop_token& stop);
  void Overlap(const StepBatch& first, Clock::time_point begin, const std::stop_token& stop);
  bool Launch(const StepBatch& batch, Clock::time_point begin);
  bool LaunchAhead(const std::stop_token& stop);
  bool AwaitOldest();
  void TellQueue(Clock::time_point now);
  bool Complete(Clock::time_point begin, const std::optional<std::string>& failure);
  void ForgetLaunched();
  void FailStep(const std::string& what, Clock::time_point now);
  void GiveUp(const std::string& what);
  void Publish();

  Runner& runner;
  EngineObserver no_observer;
  EngineObserver& observer;
  const int64_t max_step_failures;
  const std::chrono::milliseconds give_up_after;
  std::atomic<bool> healthy = true;

  // Engine thread only.
  Scheduler scheduler;
  std::vector<Command> commands;
  size_t num_obeyed = 0;  // of them
  std::vector<Delivery> deliveries;
  StepResult result;
  struct LaunchedStep {
    const StepBatch* batch = nullptr;  // the scheduler's, until it is completed
    Clock::time_point begin;
  };
  std::vector<LaunchedStep> launched;  // and not awaited, oldest first
  Clock::time_point last_step_end;
  int64_t failures_in_a_row = 0;
  Clock::time_point first_failure;  // of those
  double busy_seconds = 0;
  bool was_busy = false;

  Inbox inbox;
  mutable std::mutex stats_mutex;  // guards `published`
  EngineStats published;
  std::jthread thread;  // the last member: it uses all the others
};

void EngineLoop::State::Loop(const std::stop_token& stop) {
  const ScopedFlushDenormals flush;
  while (!stop.stop_requested()) {
    inbox.Take(scheduler.HasWork() ? InboxWait::kNever : InboxWait::kUntilCommand, stop, commands);
    Turn(stop);
  }
  inbox.Close(Rejection::kDraining);
  inbox.EndAll(FinishReason::kCancelled);
  inbox.Take(InboxWait::kNever, stop, commands);
  Turn(stop);
}

// One round: obey, compute, tell; then check, if all work is done. Nothing thrown leaves it.
void EngineLoop::State::Turn(const std::stop_token& stop) {
  Guarded([&] {
    num_obeyed = 0;
    for (; num_obeyed < commands.size(); ++num_obeyed) Obey(commands[num_obeyed]);
    commands.clear();
    scheduler.Expire(Clock::now());
    if (!scheduler.HasWork()) return;
    was_busy = true;
    Step(stop);
  });
  Guarded([&] { Publish(); });
  if (!was_busy || scheduler.HasWork()) return;
  was_busy = false;
  Guarded([&] { scheduler.CheckIntegrity(); });
}

template <typename Body>
void EngineLoop::State::Guarded(Body body) {
  try {
    body();
  } catch (...) {
    GiveUp(CaughtMessage());
  }
}

void EngineLoop::State::Obey(Command& command) {
  const auto submit = [&](const Submission& submission) {
    if (healthy) {
      scheduler.Add(submission, Clock::now());
    } else {  // accepted just before the inbox was closed
      scheduler.Refuse(submission);
    }
  };
  const auto cancel = [&](const Cancellation& cancellation) {
    scheduler.Cancel(cancellation.id, cancellation.reason);
  };
  const auto end_all = [&](const EndAllCommand& end) { scheduler.EndAll(end.reason); };
  const auto pause = [&](PausedTask& task) { task(scheduler); };
  std::visit(Overloaded{submit, cancel, end_all, pause}, command);
}

void EngineLoop::State::Step(const std::stop_token& stop) {
  const auto begin = Clock::now();
  const StepBatch& batch = scheduler.Prepare(begin);
  TellQueue(begin);
  if (runner.overlaps()) return Overlap(batch, begin, stop);
  Complete(begin, FailureOf([&] {
             runner.Run(batch, result);
             CheckResult(batch, result, runner.limits().vocab_size);
           }));
}

// A step, and as long as nobody wants anything else, the one after it while it is computed. At the
// end none is under way.
void EngineLoop::State::Overlap(const StepBatch& first, Clock::time_point begin,
                                const std::stop_token& stop) {
  if (!Launch(first, begin)) return;
  while (LaunchAhead(stop) && AwaitOldest() && !launched.empty()) Publish();
}

bool EngineLoop::State::Launch(const StepBatch& batch, Clock::time_point begin) {
  const auto failure = FailureOf([&] { runner.Launch(batch); });
  if (failure) {
    if (!launched.empty()) begin = launched.front().begin;
    launched.clear();  // the runner has forgotten them
    return Complete(begin, failure);
  }
  launched.push_back({.batch = &batch, .begin = begin});
  return true;
}

// If there is one to launch: commands come first, and meet no step under way.
bool EngineLoop::State::LaunchAhead(const std::stop_token& stop) {
  if (stop.stop_requested() || inbox.HasCommands()) return true;
  const auto begin = Clock::now();
  const StepBatch* const batch = scheduler.PrepareAhead(begin);
  if (batch == nullptr) return true;
  TellQueue(begin);
  return Launch(*batch, begin);
}

bool EngineLoop::State::AwaitOldest() {
  const LaunchedStep step = launched.front();
  launched.erase(launched.begin());
  auto failure = FailureOf([&] { runner.Await(result); });
  if (failure) {
    launched.clear();
  } else {
    failure = FailureOf([&] { CheckResult(*step.batch, result, runner.limits().vocab_size); });
  }
  return Complete(step.begin, failure);
}

// The queue has room now, not only after a long step.
void EngineLoop::State::TellQueue(Clock::time_point now) {
  inbox.Left(scheduler.TakeDepartures());
  inbox.Advance(scheduler.progress(now));
}

// The oldest step that is prepared; false when it failed, and with it those after it. Its time does
// not count twice where it was launched while another was computed.
bool EngineLoop::State::Complete(Clock::time_point begin,
                                 const std::optional<std::string>& failure) {
  const auto end = Clock::now();
  const auto elapsed = end - std::max(begin, last_step_end);
  last_step_end = end;
  busy_seconds += std::chrono::duration<double>(elapsed).count();
  if (failure) {
    ForgetLaunched();
    FailStep("a step failed: " + *failure, end);
    return false;
  }
  failures_in_a_row = 0;
  scheduler.Complete(result, end);
  const EngineStats stats = scheduler.stats();
  observer.OnStep(elapsed, stats.last_step_tokens, stats.last_step_sequences);
  return true;
}

// Waits for them, whatever they say.
void EngineLoop::State::ForgetLaunched() {
  while (!launched.empty()) {
    launched.pop_back();
    if (FailureOf([&] { runner.Await(result); })) launched.clear();
  }
}

void EngineLoop::State::FailStep(const std::string& what, Clock::time_point now) {
  observer.OnFailure(what);
  scheduler.Fail();
  if (++failures_in_a_row == 1) first_failure = now;
  if (failures_in_a_row < max_step_failures || now - first_failure < give_up_after) return;
  healthy = false;
  inbox.Close(Rejection::kUnhealthy);
  scheduler.EndAll(FinishReason::kFailed, kEngineStopped);
}

// A bug of ours: the scheduler's state cannot be trusted, so nothing runs any more. Commands that
// were taken and not obeyed yet are answered all the same.
void EngineLoop::State::GiveUp(const std::string& what) {
  observer.OnFailure(what);
  healthy = false;
  was_busy = false;
  inbox.Close(Rejection::kUnhealthy);
  ForgetLaunched();
  for (; num_obeyed < commands.size(); ++num_obeyed) {
    Command& command = commands[num_obeyed];
    const auto* submission = std::get_if<Submission>(&command);
    const bool was_added = submission != nullptr && scheduler.IsLive(submission->request->id);
    const bool is_task = std::holds_alternative<PausedTask>(command);
    if (is_task || (submission != nullptr && !was_added)) Obey(command);
  }
  scheduler.Abandon();
}

// Figures first, then ids, then events: who has seen an end finds it counted and its id free.
void EngineLoop::State::Publish() {
  EngineStats stats = scheduler.stats();
  stats.busy_seconds = busy_seconds;
  {
    const std::lock_guard lock(stats_mutex);
    published = stats;
  }
  inbox.Left(scheduler.TakeDepartures());
  scheduler.TakeDeliveries(deliveries);
  int64_t num_ends = 0;
  for (Delivery& delivery : deliveries) {
    const bool ends = delivery.event.finish.has_value();
    if (ends) inbox.Forget(delivery.id);
    delivery.outbox->Push(std::move(delivery.event));
    num_ends += ends;
  }
  deliveries.clear();  // lets go of the outboxes
  if (num_ends > 0) inbox.Ended(num_ends);
}

EngineLoop::EngineLoop(Runner& runner, const SchedulerConfig& config,
                       EngineObserver* optional_observer)
    : state_(std::make_unique<State>(runner, config, optional_observer)) {}

EngineLoop::~EngineLoop() = default;  // jthread asks the loop to stop and joins it

std::optional<Rejection> EngineLoop::Submit(std::shared_ptr<const Request> request,
                                            std::shared_ptr<Outbox> outbox) {
  return state_->inbox.Submit({std::move(request), std::move(outbox)});
}

void EngineLoop::Cancel(RequestId id, FinishReason reason) { state_->inbox.Cancel(id, reason); }

void EngineLoop::Paused(const std::function<void()>& fn) {
  CHECK(std::this_thread::get_id() != state_->thread.get_id());
  state_->inbox.Post([&fn](Scheduler&) { fn(); }).get();
}

void EngineLoop::UpdateWeights(const std::function<void()>& fn) {
  CHECK(std::this_thread::get_id() != state_->thread.get_id());
  auto update = [&fn](Scheduler& scheduler) {
    scheduler.WeightsChanged();  // first, for `fn` may throw with some weights already written
    fn();
  };
  state_->inbox.Post(update).get();
}

bool EngineLoop::Drain(Clock::time_point deadline) {
  Inbox& inbox = state_->inbox;
  inbox.Close(Rejection::kDraining);
  if (inbox.WaitUntilEmpty(deadline)) return true;
  inbox.EndAll(FinishReason::kDrained);
  inbox.WaitUntilEmpty();
  return false;
}

EngineStats EngineLoop::Stats() const {
  EngineStats stats;
  {
    const std::lock_guard lock(state_->stats_mutex);
    stats = state_->published;
  }
  const InboxCounts counts = state_->inbox.counts();  // after: accepted >= what has ended
  stats.num_waiting += counts.num_pending;
  stats.num_queued_tokens = counts.num_queued_tokens;
  stats.queue_seconds = counts.queue_seconds;
  stats.accepted = counts.accepted;
  stats.rejected = counts.rejected;
  return stats;
}

bool EngineLoop::Healthy() const { return state_->healthy; }

}  // namespace tandem
