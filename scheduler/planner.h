#pragma once
// Plans one step without changing anything: who gives way, who comes in, and how many tokens each
// computes. Works on scratch capacity and a token budget; Scheduler commits the result, all of it.
// Owned by the Scheduler; engine thread only.

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "scheduler/capacity.h"
#include "scheduler/page_allocator.h"
#include "scheduler/policy.h"
#include "scheduler/prefix_cache.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/sequence.h"
#include "scheduler/step_cost.h"

namespace tandem {

// Where sequences stand. Owned by the Scheduler, borrowed by the Planner.
struct Queues {
  std::vector<Sequence*> running;  // in RunsBefore order
  std::set<Sequence*, RunsBefore> waiting;
  std::set<Sequence*, ShorterFirst> waiting_by_length;  // the same ones
};

enum class PlannedChange : uint8_t { kNone, kAdmit, kPreempt };

struct PlannedSequence {
  Sequence* sequence = nullptr;
  PlannedChange change = PlannedChange::kNone;
  bool stalled = false;   // runs on when pages are there again
  int64_t first_hit = 0;  // hit_pages[first_hit, + num_hits): cached pages to take before computing
  int64_t num_hits = 0;
  int64_t num_tokens = 0;    // to compute after the hits; 0: none in this step
  int64_t num_promised = 0;  // pages set aside for the rest of its history
};

struct StepPlan {
  std::vector<PlannedSequence> sequences;  // the running ones in their order, then those admitted
  std::vector<PageId> hit_pages;
  Sequence* overtaken = nullptr;  // the first waiting one, if it did not fit
  int32_t num_overtaking = 0;     // admitted past it

  std::span<const PageId> hits(const PlannedSequence& planned) const {
    return std::span(hit_pages).subspan(static_cast<size_t>(planned.first_hit),
                                        static_cast<size_t>(planned.num_hits));
  }
};

class Planner {
 public:
  Planner(const SchedulerConfig& config, const Queues& queues, const PageAllocator& allocator,
          const PrefixCache& cache, const StepCost& cost);

  // Never empty while anything runs or waits: the first in the order of service always gets a
  // token.
  const StepPlan& Plan();

 private:
  enum class Outcome : uint8_t { kPlanned, kPassedOver };

  void Begin();
  void SecurePages();
  void MakeRoomForUrgent();
  void LimitLessUrgent();
  void PlanDecodes();
  void LimitPrefills();
  void PlanPrefills();

  // Pages.
  void TakeHits(PlannedSequence& planned);
  void ReturnHits(PlannedSequence& planned);
  std::optional<PageKey> NextPageKey(const PlannedSequence& planned) const;
  bool TwinInFlight(const PlannedSequence& planned) const;
  PlannedSequence* CheapestVictim(size_t begin, int64_t above_priority);
  void PlanPreemption(PlannedSequence& victim);
  void UndoPreemption(PlannedSequence& victim);

  // Tokens.
  int64_t TokensLeft(const Sequence& sequence) const;
  int64_t PrefillLeft(const PlannedSequence& planned) const;
  bool IsTimeOver() const;
  void Spend(const PlannedSequence& planned, int64_t num_tokens);
  bool MayAdmit() const;
  bool IsPlanned(const Sequence& sequence) const;
  bool Admit(Sequence& sequence);
  Outcome AdmitAndPlan(Sequence& sequence);
  void CollectPrefills();
  PlannedSequence* ChooseHead();
  Outcome PlanChunk(PlannedSequence& planned, int64_t allowed);
  void ExtendChunk(PlannedSequence& planned);

  int64_t First(const PlannedSequence& planned) const;
  int64_t Remaining(const PlannedSequence& planned) const;
  PrefillSize Size(const PlannedSequence& planned) const;

  const SchedulerConfig& config_;
  const Queues& queues_;
  const PrefixCache& cache_;
  const StepCost& cost_;
  Capacity capacity_;
  StepPlan plan_;
  double less_urgent_seconds_ = 0.0;  // that the less urgent may still take beside the urgent
  int num_urgent_steps_ = 0;          // since they last did

  // Scratch of one pass.
  std::vector<PlannedSequence*> prefills_;  // running and unfinished, shorter first
  std::vector<uint64_t> pages_in_flight_;   // hashes of shareable pages that this step computes
  int64_t tokens_left_ = 0;
  int32_t top_priority_ = 0;           // the most urgent one that takes part
  int64_t less_urgent_left_ = 0;       // of tokens_left_, for all other priorities
  double prefill_seconds_left_ = 0.0;  // infinity: any
  bool has_prefill_ = false;
  int64_t num_active_ = 0;    // running after this pass
  int64_t growth_pages_ = 0;  // that those are expected to need
  bool admissions_open_ = true;
};

}  // namespace tandem
