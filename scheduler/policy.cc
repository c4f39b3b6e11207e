#include "scheduler/policy.h"

#include <algorithm>
#include <tuple>

namespace tandem {

bool RunsBefore::operator()(const Sequence* a, const Sequence* b) const {
  return std::tuple(a->request().priority, a->arrival()) <
         std::tuple(b->request().priority, b->arrival());
}

PrefillSize WaitingSize(const Sequence& sequence) {
  return {sequence.request().priority, sequence.total(), sequence.arrival()};
}

bool ShorterFirst::operator()(const Sequence* a, const Sequence* b) const {
  return WaitingSize(*a) < WaitingSize(*b);
}

int64_t ChunkTokens(int64_t first, int64_t remaining, int64_t allowed) {
  if (remaining <= allowed) return remaining;
  const int64_t boundary = (first + allowed) / KvLayout::kPageTokens * KvLayout::kPageTokens;
  return boundary > first ? boundary - first : allowed;
}

int64_t GrowthPages(const Sequence& sequence) {
  return std::min(kGrowthPages, sequence.pages_at_limit() - PagesFor(sequence.total()));
}

}  // namespace tandem
