#include "scheduler/capacity.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tandem {

Capacity::Capacity(const PageAllocator& allocator, const PrefixCache& cache)
    : allocator_(allocator), cache_(cache), changes_(static_cast<size_t>(allocator.num_pages())) {
  Reset();
}

void Capacity::Reset() {
  ++pass_;
  available_ = allocator_.num_free() + cache_.num_evictable();
}

int32_t Capacity::NumHolders(PageId page) const {
  const Change& change = changes_[static_cast<size_t>(page)];
  return allocator_.num_holds(page) - (cache_.contains(page) ? 1 : 0) +
         (change.pass == pass_ ? change.holds : 0);
}

void Capacity::Add(PageId page, int32_t holds) {
  Change& change = changes_[static_cast<size_t>(page)];
  if (change.pass != pass_) change = {.pass = pass_};
  change.holds += holds;
}

void Capacity::Hold(std::span<const PageId> pages) {
  for (const PageId page : pages) {
    if (NumHolders(page) == 0) --available_;
    Add(page, 1);
  }
}

void Capacity::Drop(std::span<const PageId> pages) {
  for (const PageId page : pages) {
    CHECK(NumHolders(page) > 0, page);
    Add(page, -1);
    if (NumHolders(page) == 0) ++available_;
  }
}

int64_t Capacity::NumExclusive(std::span<const PageId> pages) const {
  return std::ranges::count_if(pages, [&](PageId page) { return NumHolders(page) == 1; });
}

}  // namespace tandem
