#pragma once
// A scratch copy of how many pages can be had, for planning: what-if holds on top of the
// allocator's, forgotten at the next Reset. Owned by the Planner; engine thread only.

#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/page_allocator.h"
#include "scheduler/prefix_cache.h"

namespace tandem {

class Capacity {
 public:
  Capacity(const PageAllocator& allocator, const PrefixCache& cache);

  void Reset();  // to the truth

  int64_t available() const { return available_; }  // free, or held by the cache alone
  void Take(int64_t num_pages) { available_ -= num_pages; }
  void Give(int64_t num_pages) { available_ += num_pages; }
  // A sequence would take, or give up, its hold of each page.
  void Hold(std::span<const PageId> pages);
  void Drop(std::span<const PageId> pages);
  // Of `pages`, those that one sequence alone holds: Drop by that one makes them available.
  int64_t NumExclusive(std::span<const PageId> pages) const;

 private:
  struct Change {
    uint64_t pass = 0;  // valid when it equals pass_; so Reset need not touch every page
    int32_t holds = 0;
  };
  int32_t NumHolders(PageId page) const;  // sequences
  void Add(PageId page, int32_t holds);

  const PageAllocator& allocator_;
  const PrefixCache& cache_;
  std::vector<Change> changes_;  // [num_pages]
  uint64_t pass_ = 0;
  int64_t available_ = 0;
};

}  // namespace tandem
