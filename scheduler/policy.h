#pragma once
// Who goes first, who gives way, and how a step's prefill budget is shared. Pure functions and
// constants; README.md says what they bound.

#include <cstdint>
#include <span>

#include "scheduler/sequence.h"

namespace tandem {

// Pages that each running sequence is expected to grow by before a new one may come in: few enough
// to keep the pool busy, enough to make preemption rare (planner_test's last case has the trade in
// numbers).
inline constexpr int64_t kGrowthPages = 2;
// Later requests that may be admitted past the first waiting one while it does not fit.
inline constexpr int32_t kMaxOvertaking = 32;
// Waiting requests that are looked at in one pass without being admitted.
inline constexpr int32_t kMaxPassedOver = 16;

// The order of service: priority, then arrival. Total.
struct RunsBefore {
  bool operator()(const Sequence* a, const Sequence* b) const;
};

// The order in which prefills share what the first in the order of service leaves: priority, then
// fewer tokens to go, then arrival.
struct PrefillSize {
  int32_t priority = 0;
  int64_t num_tokens = 0;
  uint64_t arrival = 0;
  friend auto operator<=>(const PrefillSize&, const PrefillSize&) = default;
};
struct ShorterFirst {  // for waiting sequences, which have all to compute as far as one knows
  bool operator()(const Sequence* a, const Sequence* b) const;
};
PrefillSize WaitingSize(const Sequence& sequence);

// What the first prefill may take before shorter ones get a share: half, rounded up.
constexpr int64_t HeadShare(int64_t budget) { return (budget + 1) / 2; }

// How many tokens from `first` on to compute: at most `remaining` and `allowed`; a chunk that does
// not finish ends on a page boundary if it reaches one, so that its last page can be shared.
int64_t ChunkTokens(int64_t first, int64_t remaining, int64_t allowed);

// Pages by which a sequence is expected to grow soon.
int64_t GrowthPages(const Sequence& sequence);

}  // namespace tandem
