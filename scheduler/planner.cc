#include "scheduler/planner.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <tuple>

#include "kernels/core/check.h"

namespace tandem {
namespace {

constexpr int64_t kPageTokens = KvLayout::kPageTokens;
// Of prompts, in each step, whatever the decodes beside them may then wait.
constexpr int64_t kLeastPrefillTokens = kPageTokens;

// Of so many steps with urgent work, one has room for the less urgent.
constexpr int kUrgentSteps = 4;
// A step with prompts may always take so many times as long as without them.
constexpr double kPrefillSlowdown = 2.0;

bool TakesPart(const PlannedSequence& planned) {
  return planned.change != PlannedChange::kPreempt && !planned.stalled;
}

}  // namespace

Planner::Planner(const SchedulerConfig& config, const Queues& queues,
                 const PageAllocator& allocator, const PrefixCache& cache, const StepCost& cost)
    : config_(config), queues_(queues), cache_(cache), cost_(cost), capacity_(allocator, cache) {
  // Those that run now, and as many in the place of preempted ones; pointers to them must not move.
  plan_.sequences.reserve(static_cast<size_t>(2 * config.max_sequences));
}

const StepPlan& Planner::Plan() {
  Begin();
  SecurePages();
  MakeRoomForUrgent();
  LimitLessUrgent();
  PlanDecodes();
  LimitPrefills();
  PlanPrefills();
  CHECK(tokens_left_ < config_.max_step_tokens ||
            (queues_.running.empty() && queues_.waiting.empty()),
        queues_.running.size(), queues_.waiting.size(), capacity_.available());
  return plan_;
}

void Planner::Begin() {
  capacity_.Reset();
  plan_.sequences.clear();
  plan_.hit_pages.clear();
  plan_.overtaken = nullptr;
  plan_.num_overtaking = 0;
  pages_in_flight_.clear();
  tokens_left_ = config_.max_step_tokens;
  less_urgent_left_ = tokens_left_;
  top_priority_ = std::numeric_limits<int32_t>::max();
  prefill_seconds_left_ = std::numeric_limits<double>::infinity();
  has_prefill_ = false;
  num_active_ = static_cast<int64_t>(queues_.running.size());
  growth_pages_ = 0;
  admissions_open_ = true;
  for (Sequence* sequence : queues_.running) {
    plan_.sequences.push_back({.sequence = sequence});
    growth_pages_ += GrowthPages(*sequence);
  }
}

// Sets aside, in the order of service, the pages that each running sequence needs for all of its
// history. Where they run out, a sequence later in the order gives way; the last one merely stalls.
void Planner::SecurePages() {
  for (size_t i = 0; i < plan_.sequences.size(); ++i) {
    PlannedSequence& planned = plan_.sequences[i];
    if (planned.change == PlannedChange::kPreempt) continue;
    TakeHits(planned);
    const int64_t needed = PagesFor(planned.sequence->total()) - planned.num_hits -
                           static_cast<int64_t>(planned.sequence->pages().size());
    while (capacity_.available() < needed && !planned.stalled) {
      admissions_open_ = false;  // pages are short: nobody new comes in during this pass
      PlannedSequence* victim = CheapestVictim(i + 1, std::numeric_limits<int64_t>::min());
      planned.stalled = victim == nullptr;
      if (victim != nullptr) PlanPreemption(*victim);
    }
    if (planned.stalled) continue;
    planned.num_promised = needed;
    capacity_.Take(needed);
  }
}

// A waiting sequence may take the place of running ones of a strictly lower priority. All or
// nothing: they only give way if it then fits.
void Planner::MakeRoomForUrgent() {
  if (!admissions_open_ || queues_.waiting.empty() || queues_.running.empty()) return;
  Sequence& urgent = **queues_.waiting.begin();
  const int32_t priority = urgent.request().priority;
  if (queues_.running.back()->request().priority <= priority) return;

  std::vector<PlannedSequence*> victims;
  while (!Admit(urgent)) {
    PlannedSequence* victim = CheapestVictim(0, priority);
    if (victim == nullptr) {
      for (PlannedSequence* spared : victims) UndoPreemption(*spared);
      return;
    }
    PlanPreemption(*victim);
    victims.push_back(victim);
  }
}

// The most urgent priority that has work may be slowed down only so far by the others. They get
// their time in one step of four: if they were in all of them, nobody would know what steps take
// without.
void Planner::LimitLessUrgent() {
  const PlannedSequence* top = nullptr;
  for (const PlannedSequence& planned : plan_.sequences) {
    if (!TakesPart(planned)) continue;
    if (top == nullptr || RunsBefore()(planned.sequence, top->sequence)) top = &planned;
  }
  if (top == nullptr) return;
  top_priority_ = top->sequence->request().priority;
  if (config_.priority_slowdown == 0.0 || !cost_.known()) return;
  StepSize urgent;
  for (const PlannedSequence& planned : plan_.sequences) {
    if (!TakesPart(planned) || planned.sequence->request().priority > top_priority_) continue;
    urgent.Add(First(planned), std::min(Remaining(planned), config_.max_prefill_chunk));
  }
  less_urgent_seconds_ += (config_.priority_slowdown - 1.0) * cost_.Seconds(urgent);
  less_urgent_left_ = 0;
  if (++num_urgent_steps_ < kUrgentSteps) return;
  const int64_t in_time = cost_.TokensWithin(less_urgent_seconds_, 0);
  if (in_time == 0) return;
  less_urgent_left_ = std::min(in_time, config_.max_step_tokens);
  less_urgent_seconds_ = 0.0;
  num_urgent_steps_ = 0;
}

void Planner::PlanDecodes() {
  for (PlannedSequence& planned : plan_.sequences) {
    if (!TakesPart(planned)) continue;
    if (Remaining(planned) == 1 && TokensLeft(*planned.sequence) > 0) PlanChunk(planned, 1);
  }
}

// So that those who decode need not wait long for their next tokens.
void Planner::LimitPrefills() {
  if (config_.target_itl.count() == 0 || !cost_.known()) return;
  StepSize decodes;
  for (const PlannedSequence& planned : plan_.sequences) {
    if (planned.num_tokens > 0) decodes.Add(First(planned), planned.num_tokens);
  }
  if (decodes.num_tokens == 0) return;
  const double target = std::chrono::duration<double>(config_.target_itl).count();
  const double without = cost_.Seconds(decodes);
  prefill_seconds_left_ = std::max(target, kPrefillSlowdown * without) - without;
}

// The head gets half of what is left, shorter ones share the other half, the head takes what they
// leave, and longer ones the rest.
void Planner::PlanPrefills() {
  CollectPrefills();
  PlannedSequence* head = ChooseHead();
  if (head != nullptr && PrefillLeft(*head) > 0) PlanChunk(*head, HeadShare(PrefillLeft(*head)));

  auto running = prefills_.begin();
  auto waiting = queues_.waiting_by_length.begin();
  for (int32_t num_passed_over = 0; tokens_left_ > 0;) {
    const bool has_running = running != prefills_.end();
    const bool has_waiting = waiting != queues_.waiting_by_length.end() && MayAdmit() &&
                             num_passed_over < kMaxPassedOver;
    if (!has_running && !has_waiting) break;
    const bool take_running =
        has_running && (!has_waiting || Size(**running) < WaitingSize(**waiting));
    const PrefillSize size = take_running ? Size(**running) : WaitingSize(**waiting);
    const Sequence& next = take_running ? *(*running)->sequence : **waiting;
    if (TokensLeft(next) == 0 || IsTimeOver()) break;  // the rest is not more urgent
    if (head != nullptr && Size(*head) <= size) {
      ExtendChunk(*head);
      head = nullptr;
    } else if (take_running) {
      PlanChunk(**running, PrefillLeft(**running));
      ++running;
    } else if (AdmitAndPlan(**waiting++) == Outcome::kPassedOver) {
      ++num_passed_over;
    }
  }
  if (head != nullptr) ExtendChunk(*head);
}

void Planner::TakeHits(PlannedSequence& planned) {
  planned.first_hit = static_cast<int64_t>(plan_.hit_pages.size());
  while (const auto key = NextPageKey(planned)) {
    const auto page = cache_.Find(*key);
    if (!page) break;
    plan_.hit_pages.push_back(*page);
    ++planned.num_hits;
  }
  capacity_.Hold(plan_.hits(planned));
}

// Only of the sequence that took hits last.
void Planner::ReturnHits(PlannedSequence& planned) {
  capacity_.Drop(plan_.hits(planned));
  plan_.hit_pages.resize(static_cast<size_t>(planned.first_hit));
  planned.num_hits = 0;
}

// The page that begins where `planned` goes on, if the cache could give it: everything before is in
// the cache, and the page ends before the tokens that must be computed.
std::optional<PageKey> Planner::NextPageKey(const PlannedSequence& planned) const {
  const Sequence& sequence = *planned.sequence;
  const int64_t first = First(planned);
  if (!config_.prefix_caching || first + kPageTokens > sequence.reusable() ||
      sequence.cached() + planned.num_hits * kPageTokens != first) {
    return std::nullopt;
  }
  const auto known = planned.num_hits > 0 ? plan_.hits(planned) : sequence.pages();
  return PageKey{.parent = known.empty() ? PrefixCache::kRoot : known.back(),
                 .salt = sequence.request().cache_salt,
                 .tokens = sequence.history()
                               .subspan(static_cast<size_t>(first))
                               .first<static_cast<size_t>(kPageTokens)>()};
}

// Another sequence computes the very page that `planned` needs next: in the next step it is a hit.
bool Planner::TwinInFlight(const PlannedSequence& planned) const {
  if (pages_in_flight_.empty()) return false;
  const auto key = NextPageKey(planned);
  return key && std::ranges::find(pages_in_flight_, cache_.Hash(*key)) != pages_in_flight_.end();
}

// Of the sequences from `begin` on with a priority number above the given one, that which loses the
// fewest pages that nobody else holds, though not none; the later one of equals.
PlannedSequence* Planner::CheapestVictim(size_t begin, int64_t above_priority) {
  PlannedSequence* cheapest = nullptr;
  int64_t lowest_cost = 0;
  for (size_t i = begin; i < plan_.sequences.size(); ++i) {
    PlannedSequence& candidate = plan_.sequences[i];
    if (candidate.change != PlannedChange::kNone) continue;
    if (candidate.sequence->request().priority <= above_priority) continue;
    const int64_t lost = capacity_.NumExclusive(candidate.sequence->pages());
    const int64_t cost = lost > 0 ? lost : std::numeric_limits<int64_t>::max();
    if (cheapest == nullptr || cost <= lowest_cost) {
      cheapest = &candidate;
      lowest_cost = cost;
    }
  }
  return cheapest;
}

void Planner::PlanPreemption(PlannedSequence& victim) {
  victim.change = PlannedChange::kPreempt;
  capacity_.Drop(victim.sequence->pages());
  capacity_.Drop(plan_.hits(victim));
  capacity_.Give(victim.num_promised);
  growth_pages_ -= GrowthPages(*victim.sequence);
  --num_active_;
}

void Planner::UndoPreemption(PlannedSequence& victim) {
  victim.change = PlannedChange::kNone;
  capacity_.Hold(victim.sequence->pages());
  capacity_.Hold(plan_.hits(victim));
  capacity_.Take(victim.num_promised);
  growth_pages_ += GrowthPages(*victim.sequence);
  ++num_active_;
}

int64_t Planner::TokensLeft(const Sequence& sequence) const {
  const bool is_less_urgent = sequence.request().priority > top_priority_;
  return is_less_urgent ? std::min(tokens_left_, less_urgent_left_) : tokens_left_;
}

// The first prefill of a step gets a page in any case, however long that takes.
int64_t Planner::PrefillLeft(const PlannedSequence& planned) const {
  const int64_t num_tokens = TokensLeft(*planned.sequence);
  if (std::isinf(prefill_seconds_left_)) return num_tokens;
  const int64_t in_time = cost_.TokensWithin(prefill_seconds_left_, First(planned));
  return std::min(num_tokens, has_prefill_ ? in_time : std::max(in_time, kLeastPrefillTokens));
}

// Not even a token of a new sequence.
bool Planner::IsTimeOver() const {
  return has_prefill_ && !std::isinf(prefill_seconds_left_) &&
         cost_.TokensWithin(prefill_seconds_left_, 0) == 0;
}

void Planner::Spend(const PlannedSequence& planned, int64_t num_tokens) {
  tokens_left_ -= num_tokens;
  if (planned.sequence->request().priority > top_priority_) less_urgent_left_ -= num_tokens;
  if (std::isinf(prefill_seconds_left_)) return;
  const double seconds = cost_.ChunkSeconds(First(planned), std::abs(num_tokens));
  prefill_seconds_left_ -= num_tokens > 0 ? seconds : -seconds;
  if (num_tokens > 0) has_prefill_ = true;
}

bool Planner::MayAdmit() const {
  return admissions_open_ && num_active_ < config_.max_sequences &&
         (plan_.overtaken == nullptr ||
          plan_.overtaken->num_overtaken + plan_.num_overtaking < kMaxOvertaking);
}

bool Planner::IsPlanned(const Sequence& sequence) const {
  return std::ranges::any_of(plan_.sequences, [&](const PlannedSequence& planned) {
    return planned.sequence == &sequence;
  });
}

// By capacity: pages for the whole history, and room for what runs already to grow. A sequence that
// runs alone needs no such room; that it fits was checked when it was accepted.
bool Planner::Admit(Sequence& sequence) {
  if (num_active_ >= config_.max_sequences) return false;
  plan_.sequences.push_back({.sequence = &sequence, .change = PlannedChange::kAdmit});
  PlannedSequence& planned = plan_.sequences.back();
  TakeHits(planned);
  const int64_t needed = PagesFor(sequence.total()) - planned.num_hits;
  const int64_t reserve = num_active_ == 0 ? 0 : growth_pages_ + GrowthPages(sequence);
  if (capacity_.available() < needed + reserve || TwinInFlight(planned)) {
    ReturnHits(planned);
    plan_.sequences.pop_back();
    return false;
  }
  planned.num_promised = needed;
  capacity_.Take(needed);
  growth_pages_ += GrowthPages(sequence);
  ++num_active_;
  if (plan_.overtaken != nullptr) ++plan_.num_overtaking;
  return true;
}

Planner::Outcome Planner::AdmitAndPlan(Sequence& sequence) {
  if (IsPlanned(sequence)) return Outcome::kPlanned;
  if (&sequence == plan_.overtaken || !Admit(sequence)) return Outcome::kPassedOver;
  PlannedSequence& planned = plan_.sequences.back();
  return PlanChunk(planned, PrefillLeft(planned));
}

void Planner::CollectPrefills() {
  prefills_.clear();
  for (PlannedSequence& planned : plan_.sequences) {
    if (TakesPart(planned) && planned.num_tokens == 0) prefills_.push_back(&planned);
  }
  std::ranges::sort(prefills_, {}, [&](const PlannedSequence* p) { return Size(*p); });
}

// The first prefill in the order of service, running or waiting. A waiting one comes in here; when
// it does not fit, those behind it may overtake it for a while.
PlannedSequence* Planner::ChooseHead() {
  const auto oldest = std::ranges::min_element(
      prefills_, RunsBefore(), [](const PlannedSequence* p) { return p->sequence; });
  PlannedSequence* running = oldest == prefills_.end() ? nullptr : *oldest;
  if (queues_.waiting.empty() || !MayAdmit()) return running;
  Sequence& first = **queues_.waiting.begin();
  if (TokensLeft(first) == 0) return running;
  if (IsPlanned(first) || (running && RunsBefore()(running->sequence, &first))) return running;
  if (Admit(first)) return &plan_.sequences.back();
  plan_.overtaken = &first;
  return running;
}

Planner::Outcome Planner::PlanChunk(PlannedSequence& planned, int64_t allowed) {
  if (planned.num_tokens > 0) return Outcome::kPlanned;
  if (TwinInFlight(planned)) return Outcome::kPassedOver;
  planned.num_tokens =
      ChunkTokens(First(planned), Remaining(planned), std::min(allowed, config_.max_prefill_chunk));
  Spend(planned, planned.num_tokens);
  if (planned.num_tokens >= kPageTokens) {
    if (const auto key = NextPageKey(planned)) pages_in_flight_.push_back(cache_.Hash(*key));
  }
  return Outcome::kPlanned;
}

void Planner::ExtendChunk(PlannedSequence& planned) {
  const int64_t before = planned.num_tokens;
  Spend(planned, -before);
  const int64_t allowed = std::min(PrefillLeft(planned), config_.max_prefill_chunk);
  planned.num_tokens = ChunkTokens(First(planned), Remaining(planned), std::max(allowed, before));
  Spend(planned, planned.num_tokens);
}

int64_t Planner::First(const PlannedSequence& planned) const {
  return planned.sequence->computed() + planned.num_hits * kPageTokens;
}

int64_t Planner::Remaining(const PlannedSequence& planned) const {
  return planned.sequence->total() - First(planned);
}

PrefillSize Planner::Size(const PlannedSequence& planned) const {
  return {planned.sequence->request().priority, Remaining(planned), planned.sequence->arrival()};
}

}  // namespace tandem
