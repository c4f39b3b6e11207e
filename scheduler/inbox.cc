#include "scheduler/inbox.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/core/check.h"

namespace tandem {

std::optional<Rejection> CheckRequest(const Request& request, const RunnerLimits& limits,
                                      Clock::time_point now) {
  const auto num_prompt = static_cast<int64_t>(request.prompt.size());
  const int64_t max_tokens = request.sampling.max_tokens;
  if (num_prompt == 0 || max_tokens < 0) return Rejection::kInvalid;
  const bool in_range = std::ranges::all_of(
      request.prompt, [&](TokenId id) { return id >= 0 && id < limits.vocab_size; });
  if (!in_range) return Rejection::kInvalid;
  if (num_prompt > limits.max_context || max_tokens > limits.max_context - num_prompt) {
    return Rejection::kContextExceeded;
  }
  // The last token drawn needs no slot: it is never computed.
  const int64_t num_slots = std::max(num_prompt, num_prompt + max_tokens - 1);
  if (PagesFor(num_slots) > limits.num_pages) return Rejection::kPoolExceeded;
  if (request.deadline && *request.deadline <= now) return Rejection::kDeadlinePassed;
  return std::nullopt;
}

Inbox::Inbox(const RunnerLimits& limits, const SchedulerConfig& config)
    : limits_(limits), queue_(ClampToLimits(config, limits)) {}

std::optional<Rejection> Inbox::Submit(Submission submission) {
  CHECK(submission.request && submission.outbox);
  const Request& request = *submission.request;
  const auto impossible = CheckRequest(request, limits_, Clock::now());
  const auto num_tokens = static_cast<int64_t>(request.prompt.size());
  const std::lock_guard lock(mutex_);
  if (const auto rejection = impossible ? impossible : Refuse(request)) {
    counts_.rejected += 1;
    return rejection;
  }
  live_.insert(request.id);
  counts_.accepted += 1;
  counts_.num_pending += 1;
  queue_.Join(request.priority, num_tokens);
  num_live_ += 1;
  Put(std::move(submission));
  return std::nullopt;
}

std::optional<Rejection> Inbox::Refuse(const Request& request) const {
  if (closed_) return closed_;
  if (live_.contains(request.id)) return Rejection::kInvalid;
  const auto num_tokens = static_cast<int64_t>(request.prompt.size());
  if (queue_.HasRoom(request.priority, num_tokens)) return std::nullopt;
  return Rejection::kQueueFull;
}

template <typename Value>
void Inbox::Put(Value command) {
  commands_.emplace_back(std::move(command));
  has_commands_.notify_one();
}

void Inbox::Cancel(RequestId id, FinishReason reason) {
  const std::lock_guard lock(mutex_);
  if (live_.contains(id)) Put(Cancellation{id, reason});
}

void Inbox::EndAll(FinishReason reason) {
  const std::lock_guard lock(mutex_);
  Put(EndAllCommand{reason});
}

std::future<void> Inbox::Post(std::function<void(Scheduler&)> fn) {
  PausedTask task(std::move(fn));
  std::future<void> done = task.get_future();
  const std::lock_guard lock(mutex_);
  Put(std::move(task));
  return done;
}

void Inbox::Close(Rejection why) {
  const std::lock_guard lock(mutex_);
  if (!closed_) closed_ = why;
}

bool Inbox::WaitUntilEmpty(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return is_empty_.wait_until(lock, deadline, [&] { return num_live_ == 0; });
}

void Inbox::WaitUntilEmpty() {
  std::unique_lock lock(mutex_);
  is_empty_.wait(lock, [&] { return num_live_ == 0; });
}

InboxCounts Inbox::counts() const {
  const std::lock_guard lock(mutex_);
  InboxCounts counts = counts_;
  counts.num_queued_tokens = queue_.num_tokens();
  counts.queue_seconds = queue_.ExpectedWait(std::numeric_limits<int32_t>::max()).count();
  return counts;
}

void Inbox::Take(InboxWait wait, const std::stop_token& stop, std::vector<Command>& commands) {
  commands.clear();
  std::unique_lock lock(mutex_);
  if (wait == InboxWait::kUntilCommand) {
    has_commands_.wait(lock, stop, [&] { return !commands_.empty(); });
  }
  std::swap(commands, commands_);
  counts_.num_pending = 0;
}

bool Inbox::HasCommands() const {
  const std::lock_guard lock(mutex_);
  return !commands_.empty();
}

void Inbox::Left(const Departures& departures) {
  if (departures.empty()) return;
  const std::lock_guard lock(mutex_);
  queue_.Leave(departures);
}

void Inbox::Advance(const QueueProgress& progress) {
  const std::lock_guard lock(mutex_);
  queue_.Advance(progress);
}

void Inbox::Forget(RequestId id) {
  const std::lock_guard lock(mutex_);
  live_.erase(id);
}

void Inbox::Ended(int64_t num_ends) {
  const std::lock_guard lock(mutex_);
  num_live_ -= num_ends;
  if (num_live_ == 0) is_empty_.notify_all();
}

}  // namespace tandem
