#pragma once
// Who holds which page of the KV pool: reference counts and a free list, no bytes. A page is held
// by the sequences whose tables name it and by the prefix cache; it is free when nobody holds it.
// Owned by the Scheduler; engine thread only.

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/kv_pages.h"

namespace tandem {

class PageAllocator {
 public:
  explicit PageAllocator(int64_t num_pages);

  // A free page, now held once; nothing when every page is held. The page freed last comes first:
  // its bytes are the likeliest to be near the processor still.
  std::optional<PageId> Allocate();
  void Retain(PageId page);   // of a page that is held already
  void Release(PageId page);  // frees it when this was the last hold

  int32_t num_holds(PageId page) const { return holds_[Index(page)]; }
  int64_t num_pages() const { return static_cast<int64_t>(holds_.size()); }
  int64_t num_free() const { return static_cast<int64_t>(free_.size()); }

  // The free list and the counts tell the same story; O(num_pages).
  void CheckIntegrity() const;

 private:
  size_t Index(PageId page) const;

  std::vector<int32_t> holds_;  // [num_pages]
  std::vector<PageId> free_;    // a stack; never reallocated
};

}  // namespace tandem
