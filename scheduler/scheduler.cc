#include "scheduler/scheduler.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tandem {
namespace {

constexpr int64_t kPageTokens = KvLayout::kPageTokens;
constexpr const char* kStepFailed = "the engine failed while computing this request; try it again";
constexpr const char* kNotFinite = "the model's logits were not finite; the output cannot go on";

Departure DepartureOf(const Request& request) {
  return {request.priority, static_cast<int64_t>(request.prompt.size())};
}

}  // namespace

Scheduler::Scheduler(const RunnerLimits& limits, const SchedulerConfig& config,
                     EngineObserver& observer)
    : limits_(limits),
      config_(ClampToLimits(config, limits)),
      observer_(observer),
      allocator_(limits.num_pages),
      cache_(allocator_),
      planner_(config_, queues_, allocator_, cache_, cost_) {}

void Scheduler::Add(const Submission& submission, Clock::time_point now) {
  const RequestId id = submission.request->id;
  auto sequence =
      std::make_unique<Sequence>(submission.request, submission.outbox, num_arrivals_++, now);
  const auto [place, is_new] = sequences_.try_emplace(id, std::move(sequence));
  CHECK(is_new, static_cast<uint64_t>(id));
  Sequence& added = *place->second;
  Enqueue(added);
  if (added.request().deadline) deadlines_.emplace(*added.request().deadline, &added);
  num_queued_ += 1;
  num_queued_tokens_ += added.num_prompt();
  DisplaceFor(added);
}

void Scheduler::DisplaceFor(const Sequence& added) {
  while (num_queued_ > config_.max_queued_requests ||
         num_queued_tokens_ > config_.max_queued_tokens) {
    const auto last = std::find_if(
        queues_.waiting.rbegin(), queues_.waiting.rend(),
        [](const Sequence* waiting) { return waiting->state() == SequenceState::kWaiting; });
    if ((*last)->request().priority <= added.request().priority) return;
    End(**last, {.finish = FinishReason::kDisplaced});
  }
}

void Scheduler::Refuse(const Submission& submission) {
  departures_.push_back(DepartureOf(*submission.request));
  CountEnd(FinishReason::kFailed);
  deliveries_.push_back({submission.outbox,
                         submission.request->id,
                         {.finish = FinishReason::kFailed, .message = kEngineStopped}});
}

void Scheduler::Cancel(RequestId id, FinishReason reason) {
  const auto place = sequences_.find(id);
  if (place != sequences_.end()) End(*place->second, {.finish = reason});
}

void Scheduler::Expire(Clock::time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    End(*deadlines_.begin()->second, {.finish = FinishReason::kDeadline});
  }
}

void Scheduler::EndAll(FinishReason reason, const std::string& message) {
  while (!sequences_.empty()) {
    End(*sequences_.begin()->second, {.finish = reason, .message = message});
  }
}

const StepBatch& Scheduler::Prepare(Clock::time_point now) {
  CHECK(step_.empty(), step_.size());
  prepared_at_ = now;
  step_size_ = {};
  Commit(planner_.Plan(), now);
  BuildStep(step_, batch_);
  return batch_;
}

// Hits are pinned before anything is released or evicted: they may be pages of those who give way.
// The plan left a page for every TakePage.
void Scheduler::Commit(const StepPlan& plan, Clock::time_point now) {
  for (const PlannedSequence& planned : plan.sequences) {
    if (planned.change == PlannedChange::kPreempt) continue;
    if (planned.change == PlannedChange::kAdmit) Start(*planned.sequence, now);
    TakeHits(*planned.sequence, plan.hits(planned));
  }
  for (const PlannedSequence& planned : plan.sequences) {
    if (planned.change == PlannedChange::kPreempt) Preempt(*planned.sequence);
  }
  for (const PlannedSequence& planned : plan.sequences) {
    if (planned.num_tokens == 0) continue;
    TakePages(*planned.sequence, planned.num_tokens);
    step_.push_back({planned.sequence, planned.num_tokens});
    step_size_.Add(planned.sequence->computed(), planned.num_tokens);
  }
  if (plan.overtaken != nullptr) plan.overtaken->num_overtaken += plan.num_overtaking;
}

void Scheduler::Start(Sequence& sequence, Clock::time_point now) {
  if (sequence.state() == SequenceState::kWaiting) observer_.OnStarted(now - sequence.arrived_at());
  Dequeue(sequence);
  sequence.Start();
  sequence.num_overtaken = 0;
  const auto place = std::ranges::upper_bound(queues_.running, &sequence, RunsBefore());
  queues_.running.insert(place, &sequence);
}

void Scheduler::TakeHits(Sequence& sequence, std::span<const PageId> pages) {
  const int64_t peak = sequence.peak();
  const int64_t given = sequence.prompt_from_cache();
  for (const PageId page : pages) {
    cache_.Pin(page);
    sequence.AddCachedPage(page);
  }
  stats_.cached_prompt_tokens += static_cast<uint64_t>(sequence.prompt_from_cache() - given);
  const int64_t num_prompt = sequence.num_prompt();
  stats_.prompt_tokens +=
      static_cast<uint64_t>(std::min(sequence.peak(), num_prompt) - std::min(peak, num_prompt));
}

void Scheduler::TakePages(Sequence& sequence, int64_t num_tokens) {
  const int64_t num_pages = PagesFor(sequence.computed() + num_tokens);
  while (static_cast<int64_t>(sequence.pages().size()) < num_pages) sequence.AddPage(TakePage());
}

PageId Scheduler::TakePage() {
  auto page = allocator_.Allocate();
  if (!page && cache_.EvictOne()) page = allocator_.Allocate();
  CHECK(page.has_value(), allocator_.num_pages());
  return *page;
}

void Scheduler::Complete(StepResult& result, Clock::time_point now) {
  stats_.steps += 1;
  stats_.last_step_tokens = 0;
  stats_.last_step_sequences = static_cast<int64_t>(step_.size());
  for (size_t i = 0; i < step_.size(); ++i) {
    stats_.last_step_tokens += step_[i].num_tokens;
    CompleteSequence(step_[i], result.sequences[i], now);
  }
  cost_.Observe(step_size_, std::chrono::duration<double>(now - prepared_at_).count());
  step_.clear();
}

void Scheduler::CompleteSequence(const StepEntry& entry, SequenceResult& result,
                                 Clock::time_point now) {
  Sequence& sequence = *entry.sequence;
  if (result.sampled && result.sampled->token.id < 0) {  // its K and V are not worth sharing either
    return End(sequence, {.finish = FinishReason::kFailed, .message = kNotFinite});
  }
  const int64_t first = sequence.computed();
  const int64_t end = first + entry.num_tokens;
  const int64_t peak = sequence.peak();
  const int64_t num_prompt = sequence.num_prompt();
  sequence.ComputedUpTo(end);
  stats_.recomputed_tokens +=
      static_cast<uint64_t>(std::max(int64_t{0}, std::min(end, peak) - first));
  stats_.prompt_tokens +=
      static_cast<uint64_t>(std::min(sequence.peak(), num_prompt) - std::min(peak, num_prompt));
  ShareFullPages(sequence);

  sequence.AddPromptScores(first, result.prompt);
  if (auto scores = sequence.TakePromptScores(); !scores.empty()) {
    Emit(sequence, {.prompt = std::move(scores)});
  }
  if (result.sampled) return Deliver(sequence, std::move(*result.sampled), now);
  if (end == sequence.total()) End(sequence, {.finish = FinishReason::kLength});  // max_tokens is 0
}

// Pages that became full belong to the cache too from now on, the output's as well: a chat's next
// turn begins with them.
void Scheduler::ShareFullPages(Sequence& sequence) {
  if (!config_.prefix_caching) return;
  while (sequence.cached() + kPageTokens <= sequence.computed()) {
    const auto begin = static_cast<size_t>(sequence.cached());
    const size_t index = begin / static_cast<size_t>(kPageTokens);
    const PageKey key{
        .parent = index == 0 ? PrefixCache::kRoot : sequence.pages()[index - 1],
        .salt = sequence.request().cache_salt,
        .tokens = sequence.history().subspan(begin).first<static_cast<size_t>(kPageTokens)>()};
    sequence.PageCached(cache_.Insert(key, sequence.pages()[index]));
  }
}

void Scheduler::Deliver(Sequence& sequence, ScoredToken token, Clock::time_point now) {
  stats_.generated_tokens += 1;
  if (sequence.num_generated() == 0) {
    observer_.OnFirstToken(now - sequence.arrived_at());
  } else {
    observer_.OnNextToken(now - sequence.last_token_at);
  }
  sequence.last_token_at = now;

  const TokenLogprob drawn = token.token;
  if (EndsSequence(sequence, drawn.id)) {
    return End(
        sequence,
        {.finish = FinishReason::kStop, .stop_token = drawn.id, .stop_logprob = drawn.logprob});
  }
  sequence.Append(drawn.id);
  TokenEvent event{.token = std::move(token)};
  if (sequence.total() < sequence.limit()) return Emit(sequence, std::move(event));
  event.finish = FinishReason::kLength;
  End(sequence, std::move(event));
}

bool Scheduler::EndsSequence(const Sequence& sequence, TokenId token) const {
  const Request& request = sequence.request();
  if (sequence.num_generated() < request.sampling.min_tokens) return false;
  const auto& stops = request.sampling.stop_token_ids;
  if (std::ranges::find(stops, token) != stops.end()) return true;
  return !request.sampling.ignore_eos &&
         std::ranges::find(request.eos_ids, token) != request.eos_ids.end();
}

void Scheduler::Fail() {
  stats_.steps += 1;
  stats_.last_step_sequences = static_cast<int64_t>(step_.size());
  for (const StepEntry& entry : step_) {
    End(*entry.sequence, {.finish = FinishReason::kFailed, .message = kStepFailed});
  }
  step_.clear();
}

void Scheduler::WeightsChanged() {
  CHECK(step_.empty(), step_.size());
  while (!queues_.running.empty()) {
    Sequence& sequence = *queues_.running.back();
    ReleasePages(sequence);
    queues_.running.pop_back();
    sequence.Preempt();
    Enqueue(sequence);
  }
  for (const auto& [id, sequence] : sequences_) sequence->ForgetPromptScores();
  cache_.WeightsChanged();
}

void Scheduler::Preempt(Sequence& sequence) {
  stats_.preemptions += 1;
  ReleasePages(sequence);
  std::erase(queues_.running, &sequence);
  sequence.Preempt();
  Enqueue(sequence);
}

// From the end, so that the cache sees leaves before their parents.
void Scheduler::ReleasePages(Sequence& sequence) {
  const auto pages = sequence.pages();
  const auto num_cached = static_cast<size_t>(sequence.cached() / kPageTokens);
  for (size_t i = pages.size(); i-- > 0;) {
    if (i < num_cached) {
      cache_.Unpin(pages[i]);
    } else {
      allocator_.Release(pages[i]);
    }
  }
}

void Scheduler::Enqueue(Sequence& sequence) {
  queues_.waiting.insert(&sequence);
  queues_.waiting_by_length.insert(&sequence);
}

void Scheduler::Dequeue(Sequence& sequence) {
  queues_.waiting.erase(&sequence);
  queues_.waiting_by_length.erase(&sequence);
  if (sequence.state() == SequenceState::kWaiting) LeaveQueue(sequence.request());
}

void Scheduler::LeaveQueue(const Request& request) {
  departures_.push_back(DepartureOf(request));
  num_queued_ -= 1;
  num_queued_tokens_ -= departures_.back().num_tokens;
}

void Scheduler::Emit(const Sequence& sequence, TokenEvent event) {
  event.num_cached = sequence.prompt_from_cache();
  deliveries_.push_back({sequence.outbox(), sequence.request().id, std::move(event)});
}

void Scheduler::End(Sequence& sequence, TokenEvent event) {
  CHECK(event.finish.has_value());
  CountEnd(*event.finish);
  if (sequence.state() == SequenceState::kRunning) {
    ReleasePages(sequence);
    std::erase(queues_.running, &sequence);
  } else {
    Dequeue(sequence);
  }
  Emit(sequence, std::move(event));
  if (sequence.request().deadline) deadlines_.erase({*sequence.request().deadline, &sequence});
  sequences_.erase(sequence.request().id);
}

void Scheduler::CountEnd(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
    case FinishReason::kLength:
      stats_.finished += 1;
      return;
    case FinishReason::kCancelled:
    case FinishReason::kDeadline:
    case FinishReason::kDrained:
    case FinishReason::kDisplaced:
      stats_.cancelled += 1;
      return;
    case FinishReason::kFailed:
      stats_.failed += 1;
      return;
  }
}

void Scheduler::Abandon() {
  for (const auto& [id, sequence] : sequences_) {
    if (sequence->state() == SequenceState::kWaiting) LeaveQueue(sequence->request());
    CountEnd(FinishReason::kFailed);
    Emit(*sequence, {.finish = FinishReason::kFailed, .message = kEngineStopped});
  }
  deadlines_.clear();
  queues_ = {};
  step_.clear();
  sequences_.clear();
}

void Scheduler::TakeDeliveries(std::vector<Delivery>& deliveries) {
  deliveries.clear();
  std::swap(deliveries, deliveries_);
}

QueueProgress Scheduler::progress(Clock::time_point now) const {
  return {.now = now,
          .num_running = static_cast<int64_t>(queues_.running.size()),
          .somebody_waits = !queues_.waiting.empty()};
}

EngineStats Scheduler::stats() const {
  EngineStats stats = stats_;
  stats.num_running = static_cast<int64_t>(queues_.running.size());
  stats.num_waiting = static_cast<int64_t>(queues_.waiting.size());
  stats.num_pages = allocator_.num_pages();
  stats.num_free_pages = allocator_.num_free();
  stats.num_cached_pages = cache_.num_evictable();
  return stats;
}

void Scheduler::CheckIntegrity() const {
  std::vector<int32_t> holders(static_cast<size_t>(allocator_.num_pages()), 0);
  for (const auto& [id, sequence] : sequences_) {
    const bool runs = sequence->state() == SequenceState::kRunning;
    CHECK(runs || sequence->pages().empty(), static_cast<uint64_t>(id));
    for (size_t i = 0; i < sequence->pages().size(); ++i) {
      const PageId page = sequence->pages()[i];
      ++holders[static_cast<size_t>(page)];
      const bool shared = static_cast<int64_t>(i) < sequence->cached() / kPageTokens;
      CHECK(cache_.contains(page) == shared, static_cast<uint64_t>(id), page, i);
    }
  }
  cache_.CheckIntegrity(holders);
  CHECK(queues_.waiting.size() == queues_.waiting_by_length.size());
  CHECK(queues_.running.size() + queues_.waiting.size() == sequences_.size(),
        queues_.running.size(), queues_.waiting.size(), sequences_.size());
  CHECK(std::ranges::is_sorted(queues_.running, RunsBefore()));
}

}  // namespace tandem
