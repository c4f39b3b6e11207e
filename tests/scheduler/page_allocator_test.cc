#include "scheduler/page_allocator.h"

#include <gtest/gtest.h>

#include <set>

#include "kernels/core/error.h"

namespace tandem {
namespace {

TEST(PageAllocator, HandsOutEachPageOnce) {
  PageAllocator allocator(17);
  std::set<PageId> pages;
  for (int i = 0; i < 17; ++i) pages.insert(allocator.Allocate().value());
  EXPECT_EQ(pages.size(), 17u);
  EXPECT_EQ(*pages.begin(), 0);
  EXPECT_EQ(*pages.rbegin(), 16);
  allocator.CheckIntegrity();
}

TEST(PageAllocator, RefusesWhenFull) {
  PageAllocator allocator(2);
  const PageId first = allocator.Allocate().value();
  ASSERT_TRUE(allocator.Allocate());
  EXPECT_EQ(allocator.Allocate(), std::nullopt);
  allocator.Release(first);
  EXPECT_EQ(allocator.Allocate(), first);
}

TEST(PageAllocator, AnEmptyPoolHasNothingToGive) {
  PageAllocator allocator(0);
  EXPECT_EQ(allocator.Allocate(), std::nullopt);
  allocator.CheckIntegrity();
}

TEST(PageAllocator, FreesAPageWhenItsLastHolderLetsGo) {
  PageAllocator allocator(1);
  const PageId page = allocator.Allocate().value();
  allocator.Retain(page);
  allocator.Release(page);
  EXPECT_EQ(allocator.num_free(), 0);
  EXPECT_EQ(allocator.num_holds(page), 1);
  allocator.Release(page);
  EXPECT_EQ(allocator.num_free(), 1);
  allocator.CheckIntegrity();
}

TEST(PageAllocator, CatchesMisuse) {
  PageAllocator allocator(2);
  EXPECT_THROW(allocator.Release(0), InternalError);
  EXPECT_THROW(allocator.Retain(1), InternalError);
  EXPECT_THROW(allocator.Retain(2), InternalError);
  EXPECT_THROW(allocator.Release(-1), InternalError);
  EXPECT_THROW(PageAllocator(-1), InternalError);
}

}  // namespace
}  // namespace tandem
