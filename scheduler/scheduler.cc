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

// Drawing needs all tokens of the output, not only their number.
bool LooksAtOutput(const SamplingParams& sampling) {
  return sampling.repetition_penalty != 1.0f || sampling.frequency_penalty != 0.0f ||
         sampling.presence_penalty != 0.0f;
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
  CHECK(num_prepared_ == 0, num_prepared_);
  const auto place = sequences_.find(id);
  if (place != sequences_.end()) End(*place->second, {.finish = reason});
}

void Scheduler::Expire(Clock::time_point now) {
  CHECK(num_prepared_ == 0, num_prepared_);
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    End(*deadlines_.begin()->second, {.finish = FinishReason::kDeadline});
  }
}

void Scheduler::EndAll(FinishReason reason, const std::string& message) {
  CHECK(num_prepared_ == 0, num_prepared_);
  while (!sequences_.empty()) {
    End(*sequences_.begin()->second, {.finish = reason, .message = message});
  }
}

Scheduler::PreparedStep& Scheduler::AddStep(Clock::time_point now) {
  CHECK(num_prepared_ < 2, num_prepared_);
  PreparedStep& step = steps_[num_prepared_ == 0 ? oldest_ : 1 - oldest_];
  ++num_prepared_;
  step.prepared_at = now;
  step.size = {};
  return step;
}

const StepBatch& Scheduler::Prepare(Clock::time_point now) {
  CHECK(num_prepared_ == 0, num_prepared_);
  PreparedStep& step = AddStep(now);
  Commit(planner_.Plan(), step);
  BuildStep(step.entries, step.batch);
  return step.batch;
}

const StepBatch* Scheduler::PrepareAhead(Clock::time_point now) {
  CHECK(num_prepared_ == 1, num_prepared_);
  if (!MayRunAhead(now)) return nullptr;
  const std::vector<StepEntry>& current = oldest().entries;
  PreparedStep& step = AddStep(now);
  for (size_t i = 0; i < current.size(); ++i) {
    if (!GoesOn(current[i])) continue;
    Sequence& sequence = *current[i].sequence;
    GrowTo(sequence, sequence.total() + 1);
    step.entries.push_back(
        {.sequence = &sequence, .num_tokens = 1, .follows = static_cast<int32_t>(i)});
    step.size.Add(sequence.total(), 1);
  }
  BuildStep(step.entries, step.batch);
  return &step.batch;
}

// Whether it is in the step after the one that `entry` is of, as far as one knows.
bool Scheduler::GoesOn(const StepEntry& entry) const {
  return entry.sequence != nullptr && entry.sequence->total() + 1 < entry.sequence->limit();
}

bool Scheduler::MayRunAhead(Clock::time_point now) {
  if (!deadlines_.empty() && deadlines_.begin()->first <= now) return false;
  const PreparedStep& step = oldest();
  size_t num_live = 0, num_going_on = 0;
  int64_t num_pages = 0;
  for (size_t i = 0; i < step.entries.size(); ++i) {
    if (step.entries[i].sequence == nullptr) continue;
    const Sequence& sequence = *step.entries[i].sequence;
    ++num_live;
    if (!step.batch.sequences[i].sample || step.batch.sequences[i].prompt_logprobs) return false;
    if (!GoesOn(step.entries[i])) continue;
    if (LooksAtOutput(sequence.request().sampling)) return false;
    ++num_going_on;
    num_pages += PagesFor(sequence.total() + 1) - static_cast<int64_t>(sequence.pages().size());
  }
  if (num_going_on == 0 || num_live != queues_.running.size()) return false;
  // Whose turn it is among several priorities, the planner decides.
  const int32_t last_priority = queues_.running.back()->request().priority;
  if (config_.priority_slowdown != 0.0 &&
      queues_.running.front()->request().priority != last_priority) {
    return false;
  }
  // Nor does anybody come in, for no place is free and nobody gives way.
  if (!queues_.waiting.empty() &&
      (static_cast<int64_t>(num_going_on) < config_.max_sequences ||
       (*queues_.waiting.begin())->request().priority < last_priority)) {
    return false;
  }
  // No step under way uses a page that the cache alone holds.
  return num_pages <= allocator_.num_free() + cache_.num_evictable();
}

// Hits are pinned before anything is released or evicted: they may be pages of those who give way.
// The plan left a page for every TakePage.
void Scheduler::Commit(const StepPlan& plan, PreparedStep& step) {
  for (const PlannedSequence& planned : plan.sequences) {
    if (planned.change == PlannedChange::kPreempt) continue;
    if (planned.change == PlannedChange::kAdmit) Start(*planned.sequence, step.prepared_at);
    TakeHits(*planned.sequence, plan.hits(planned));
  }
  for (const PlannedSequence& planned : plan.sequences) {
    if (planned.change == PlannedChange::kPreempt) Preempt(*planned.sequence);
  }
  for (const PlannedSequence& planned : plan.sequences) {
    if (planned.num_tokens == 0) continue;
    GrowTo(*planned.sequence, planned.sequence->computed() + planned.num_tokens);
    step.entries.push_back({.sequence = planned.sequence, .num_tokens = planned.num_tokens});
    step.size.Add(planned.sequence->computed(), planned.num_tokens);
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

// Pages for so many tokens of its history.
void Scheduler::GrowTo(Sequence& sequence, int64_t num_tokens) {
  const int64_t num_pages = PagesFor(num_tokens);
  while (static_cast<int64_t>(sequence.pages().size()) < num_pages) sequence.AddPage(TakePage());
}

PageId Scheduler::TakePage() {
  auto page = allocator_.Allocate();
  if (!page && cache_.EvictOne()) page = allocator_.Allocate();
  CHECK(page.has_value(), allocator_.num_pages());
  return *page;
}

void Scheduler::Complete(StepResult& result, Clock::time_point now) {
  CHECK(num_prepared_ > 0);
  PreparedStep& step = oldest();
  stats_.steps += 1;
  stats_.last_step_tokens = 0;
  stats_.last_step_sequences = static_cast<int64_t>(step.entries.size());
  for (size_t i = 0; i < step.entries.size(); ++i) {
    stats_.last_step_tokens += step.entries[i].num_tokens;
    if (step.entries[i].sequence == nullptr) continue;
    CompleteSequence(step.entries[i], result.sequences[i], now);
  }
  // The device began it when it was done with the one before, if that was later.
  const Clock::time_point begin = std::max(step.prepared_at, completed_at_);
  cost_.Observe(step.size, std::chrono::duration<double>(now - begin).count());
  completed_at_ = now;
  RemoveOldest();
}

// Now nobody needs what was held for it alone.
void Scheduler::RemoveOldest() {
  PreparedStep& step = oldest();
  for (const auto& sequence : step.ended) ReleasePages(*sequence);
  for (const PageId page : step.replaced) allocator_.Release(page);
  step.ended.clear();
  step.replaced.clear();
  step.entries.clear();
  oldest_ = 1 - oldest_;
  --num_prepared_;
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
    sequence.PageCached(Share(key, sequence.pages()[index]));
  }
}

// As PrefixCache::Insert. But where another page takes its place, the step ahead still reads this.
PageId Scheduler::Share(const PageKey& key, PageId page) {
  if (PreparedStep* const step = ahead()) {
    if (const auto existing = cache_.Find(key)) {
      cache_.Pin(*existing);
      step->replaced.push_back(page);
      return *existing;
    }
  }
  return cache_.Insert(key, page);
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

// Those of the step ahead are in the older one too.
void Scheduler::Fail() {
  CHECK(num_prepared_ > 0);
  stats_.steps += static_cast<uint64_t>(num_prepared_);
  const std::vector<StepEntry> failed = std::move(oldest().entries);
  stats_.last_step_sequences = static_cast<int64_t>(failed.size());
  while (num_prepared_ > 0) RemoveOldest();
  for (const StepEntry& entry : failed) {
    if (entry.sequence == nullptr) continue;
    End(*entry.sequence, {.finish = FinishReason::kFailed, .message = kStepFailed});
  }
}

void Scheduler::WeightsChanged() {
  CHECK(num_prepared_ == 0, num_prepared_);
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
  const bool is_held = HoldForStepAhead(sequence);
  if (sequence.state() == SequenceState::kRunning) {
    if (!is_held) ReleasePages(sequence);
    std::erase(queues_.running, &sequence);
  } else {
    Dequeue(sequence);
  }
  Emit(sequence, std::move(event));
  if (sequence.request().deadline) deadlines_.erase({*sequence.request().deadline, &sequence});
  const auto place = sequences_.find(sequence.request().id);
  if (is_held) ahead()->ended.push_back(std::move(place->second));
  sequences_.erase(place);
}

// If it has a place in the step ahead, that forgets it, and its pages are for RemoveOldest.
bool Scheduler::HoldForStepAhead(Sequence& sequence) {
  PreparedStep* const step = ahead();
  if (step == nullptr) return false;
  const auto entry = std::ranges::find(step->entries, &sequence, &StepEntry::sequence);
  if (entry == step->entries.end()) return false;
  entry->sequence = nullptr;
  return true;
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
  for (PreparedStep& step : steps_) step = {};
  num_prepared_ = 0;
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
  for (const PreparedStep& step : steps_) {
    for (const auto& sequence : step.ended) {
      for (const PageId page : sequence->pages()) ++holders[static_cast<size_t>(page)];
    }
    for (const PageId page : step.replaced) ++holders[static_cast<size_t>(page)];
  }
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
