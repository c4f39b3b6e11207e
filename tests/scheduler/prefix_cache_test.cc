#include "scheduler/prefix_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "kernels/core/error.h"

namespace tandem {
namespace {

using Tokens = std::array<TokenId, 16>;

Tokens Fill(TokenId token) {
  Tokens tokens;
  tokens.fill(token);
  return tokens;
}

class PrefixCacheTest : public ::testing::Test {
 protected:
  PageId Compute(PageId parent, const Tokens& tokens, uint64_t salt = 0) {
    return cache.Insert({parent, salt, tokens}, allocator.Allocate().value());
  }
  std::optional<PageId> Find(PageId parent, const Tokens& tokens, uint64_t salt = 0) {
    return cache.Find({parent, salt, tokens});
  }

  PageAllocator allocator{8};
  PrefixCache cache{allocator};
};

constexpr PageId kRoot = PrefixCache::kRoot;

TEST_F(PrefixCacheTest, FindsWhatWasInserted) {
  const PageId a = Compute(kRoot, Fill(1));
  const PageId b = Compute(a, Fill(2));
  EXPECT_EQ(Find(kRoot, Fill(1)), a);
  EXPECT_EQ(Find(a, Fill(2)), b);
  EXPECT_EQ(Find(kRoot, Fill(2)), std::nullopt);
  EXPECT_EQ(Find(b, Fill(2)), std::nullopt);
}

TEST_F(PrefixCacheTest, ComparesEveryToken) {
  const PageId a = Compute(kRoot, Fill(1));
  for (size_t i = 0; i < 16; ++i) {
    Tokens tokens = Fill(1);
    tokens[i] = 2;
    EXPECT_EQ(Find(kRoot, tokens), std::nullopt) << i;
  }
  EXPECT_EQ(Find(kRoot, Fill(1)), a);
}

TEST_F(PrefixCacheTest, KeepsTenantsApart) {
  const PageId mine = Compute(kRoot, Fill(1), 7);
  EXPECT_EQ(Find(kRoot, Fill(1), 8), std::nullopt);
  const PageId theirs = Compute(kRoot, Fill(1), 8);
  EXPECT_NE(mine, theirs);
  EXPECT_EQ(Find(kRoot, Fill(1), 7), mine);
}

TEST_F(PrefixCacheTest, SwapsAPageComputedTwiceForTheCachedOne) {
  const PageId a = Compute(kRoot, Fill(1));
  EXPECT_EQ(Compute(kRoot, Fill(1)), a);
  EXPECT_EQ(allocator.num_free(), 7);
  EXPECT_EQ(allocator.num_holds(a), 3);  // two sequences and the cache
  cache.CheckIntegrity(std::vector<int32_t>{2, 0, 0, 0, 0, 0, 0, 0});
}

TEST_F(PrefixCacheTest, EvictsNothingThatASequenceHolds) {
  const PageId a = Compute(kRoot, Fill(1));
  EXPECT_FALSE(cache.EvictOne());
  cache.Unpin(a);
  cache.Pin(a);
  EXPECT_FALSE(cache.EvictOne());
  EXPECT_EQ(Find(kRoot, Fill(1)), a);
}

TEST_F(PrefixCacheTest, EvictsLeavesBeforeTheirParentsAndTheOldestFirst) {
  const PageId a = Compute(kRoot, Fill(1));
  const PageId b = Compute(a, Fill(2));
  const PageId c = Compute(kRoot, Fill(3));
  cache.Unpin(b);
  cache.Unpin(a);
  cache.Unpin(c);
  EXPECT_EQ(cache.num_evictable(), 3);
  ASSERT_TRUE(cache.EvictOne());
  EXPECT_FALSE(cache.contains(b));
  ASSERT_TRUE(cache.EvictOne());
  EXPECT_FALSE(cache.contains(a));
  EXPECT_TRUE(cache.contains(c));
  ASSERT_TRUE(cache.EvictOne());
  EXPECT_FALSE(cache.EvictOne());
  EXPECT_EQ(allocator.num_free(), 8);
  cache.CheckIntegrity(std::vector<int32_t>(8, 0));
}

TEST_F(PrefixCacheTest, KeepsAParentThatWasUsedLater) {
  const PageId a = Compute(kRoot, Fill(1));
  const PageId b = Compute(a, Fill(2));
  cache.Unpin(b);
  cache.Unpin(a);
  const PageId c = Compute(kRoot, Fill(3));
  cache.Unpin(c);
  cache.Pin(a);
  cache.Unpin(a);  // used after c
  ASSERT_TRUE(cache.EvictOne());
  EXPECT_FALSE(cache.contains(b));
  ASSERT_TRUE(cache.EvictOne());
  EXPECT_FALSE(cache.contains(c));
  EXPECT_TRUE(cache.contains(a));
}

TEST_F(PrefixCacheTest, ForgetsEverythingWhenTheWeightsChange) {
  const PageId a = Compute(kRoot, Fill(1));
  const uint64_t hash = cache.Hash({kRoot, 0, Fill(1)});
  EXPECT_THROW(cache.WeightsChanged(), InternalError);  // a sequence still holds a page
  cache.Unpin(a);
  cache.WeightsChanged();
  EXPECT_EQ(Find(kRoot, Fill(1)), std::nullopt);
  EXPECT_EQ(allocator.num_free(), 8);
  EXPECT_NE(cache.Hash({kRoot, 0, Fill(1)}), hash);
}

TEST_F(PrefixCacheTest, CheckIntegrityNoticesALostHold) {
  Compute(kRoot, Fill(1));
  EXPECT_THROW(cache.CheckIntegrity(std::vector<int32_t>(8, 0)), InternalError);
}

// Random chains of few distinct pages, against a model that is a map from the whole history to a
// page.
class PrefixCacheFuzz : public ::testing::TestWithParam<uint32_t> {};

struct Chain {
  uint64_t salt = 0;
  std::vector<TokenId> path;  // one token stands for a page of it
  std::vector<PageId> pages;
};

using Path = std::pair<uint64_t, std::vector<TokenId>>;

TEST_P(PrefixCacheFuzz, AgreesWithAMapFromHistories) {
  std::mt19937 random(GetParam());
  const auto draw = [&](uint32_t n) { return random() % n; };
  constexpr int64_t kNumPages = 24;
  PageAllocator allocator(kNumPages);
  PrefixCache cache(allocator);
  std::map<Path, PageId> model;  // what may be found: erased when its page leaves the cache
  std::vector<Chain> chains;

  for (int operation = 0; operation < 3000; ++operation) {
    if (chains.empty() || draw(3) == 0) chains.push_back({.salt = draw(2)});
    Chain& chain = chains[draw(static_cast<uint32_t>(chains.size()))];
    if (draw(4) == 0) {  // ends
      for (size_t i = chain.pages.size(); i-- > 0;) cache.Unpin(chain.pages[i]);
      std::swap(chain, chains.back());
      chains.pop_back();
    } else {  // grows by a page, from the cache or computed
      Path next{chain.salt, chain.path};
      next.second.push_back(static_cast<TokenId>(draw(3)));
      const Tokens tokens = Fill(next.second.back());
      const PageKey key{chain.pages.empty() ? kRoot : chain.pages.back(), chain.salt, tokens};
      const auto found = cache.Find(key);
      ASSERT_EQ(found.has_value(), model.contains(next));
      if (found) {
        ASSERT_EQ(*found, model.at(next));
      }
      if (found && draw(2) == 0) {
        cache.Pin(*found);
        chain.pages.push_back(*found);
      } else {
        auto page = allocator.Allocate();
        if (!page) {
          const int64_t num_evictable = cache.num_evictable();
          ASSERT_EQ(cache.EvictOne(), num_evictable > 0);
          std::erase_if(model, [&](const auto& entry) { return !cache.contains(entry.second); });
          page = allocator.Allocate();
          if (!page) continue;
        }
        const auto place = model.find(next);
        const PageId kept = cache.Insert(key, *page);
        ASSERT_EQ(kept, place == model.end() ? *page : place->second);
        model[next] = kept;
        chain.pages.push_back(kept);
      }
      chain.path = next.second;
    }
    std::vector<int32_t> holders(kNumPages, 0);
    for (const Chain& held : chains) {
      for (const PageId page : held.pages) ++holders[static_cast<size_t>(page)];
    }
    cache.CheckIntegrity(holders);
    ASSERT_EQ(cache.num_cached(), static_cast<int64_t>(model.size()));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PrefixCacheFuzz, ::testing::Range(0u, 6u));

}  // namespace
}  // namespace tandem
