#include "scheduler/page_allocator.h"

#include <limits>

#include "kernels/core/check.h"

namespace tandem {

PageAllocator::PageAllocator(int64_t num_pages) {
  CHECK(num_pages >= 0 && num_pages <= std::numeric_limits<PageId>::max(), num_pages);
  holds_.assign(static_cast<size_t>(num_pages), 0);
  free_.reserve(holds_.size());
  for (int64_t page = num_pages; page-- > 0;) free_.push_back(static_cast<PageId>(page));
}

size_t PageAllocator::Index(PageId page) const {
  CHECK(page >= 0 && static_cast<size_t>(page) < holds_.size(), page, holds_.size());
  return static_cast<size_t>(page);
}

std::optional<PageId> PageAllocator::Allocate() {
  if (free_.empty()) return std::nullopt;
  const PageId page = free_.back();
  free_.pop_back();
  holds_[Index(page)] = 1;
  return page;
}

void PageAllocator::Retain(PageId page) {
  int32_t& holds = holds_[Index(page)];
  CHECK(holds > 0, page);
  ++holds;
}

void PageAllocator::Release(PageId page) {
  int32_t& holds = holds_[Index(page)];
  CHECK(holds > 0, page);
  if (--holds == 0) free_.push_back(page);
}

void PageAllocator::CheckIntegrity() const {
  std::vector<bool> is_free(holds_.size(), false);
  for (const PageId page : free_) {
    CHECK(!is_free[Index(page)], page);
    is_free[Index(page)] = true;
  }
  for (size_t i = 0; i < holds_.size(); ++i) {
    CHECK(holds_[i] >= 0, i, holds_[i]);
    CHECK(is_free[i] == (holds_[i] == 0), i, holds_[i]);
  }
}

}  // namespace tandem
