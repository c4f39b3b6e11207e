#include "scheduler/prefix_cache.h"

#include <algorithm>
#include <bit>

#include "kernels/core/check.h"

namespace tandem {
namespace {

// Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t Combine(uint64_t hash, uint64_t value) {
  return Mix(hash + 0x9E3779B97F4A7C15u + value * 0xD6E8FEB86659FD93u);
}

}  // namespace

PrefixCache::PrefixCache(PageAllocator& allocator)
    : allocator_(allocator),
      nodes_(static_cast<size_t>(allocator.num_pages())),
      buckets_(std::bit_ceil(nodes_.size() + 1), kNone) {}

uint64_t PrefixCache::Hash(const PageKey& key) const {
  uint64_t hash = Combine(weights_version_, key.salt);
  hash = Combine(hash, static_cast<uint32_t>(key.parent));
  for (const TokenId token : key.tokens) hash = Combine(hash, static_cast<uint32_t>(token));
  return hash;
}

bool PrefixCache::Matches(const Node& candidate, const PageKey& key) const {
  return candidate.parent == key.parent && candidate.salt == key.salt &&
         candidate.weights_version == weights_version_ &&
         std::ranges::equal(candidate.tokens, key.tokens);
}

std::optional<PageId> PrefixCache::Find(const PageKey& key) const {
  const uint64_t hash = Hash(key);
  PageId page = buckets_[hash & (buckets_.size() - 1)];
  while (page != kNone && !(node(page).hash == hash && Matches(node(page), key))) {
    page = node(page).next_in_bucket;
  }
  if (page == kNone) return std::nullopt;
  return page;
}

void PrefixCache::Pin(PageId page) {
  CHECK(contains(page), page);
  if (allocator_.num_holds(page) == 1) {
    --num_evictable_;
    if (node(page).listed) Unlist(page);
  }
  allocator_.Retain(page);
}

void PrefixCache::Unpin(PageId page) {
  CHECK(contains(page) && allocator_.num_holds(page) > 1, page);
  allocator_.Release(page);
  node(page).last_used = ++tick_;
  if (allocator_.num_holds(page) > 1) return;
  ++num_evictable_;
  if (node(page).num_children == 0) List(page);
}

PageId PrefixCache::Insert(const PageKey& key, PageId page) {
  CHECK(!contains(page) && allocator_.num_holds(page) == 1, page);
  if (const auto existing = Find(key)) {
    Pin(*existing);
    allocator_.Release(page);
    return *existing;
  }
  if (key.parent != kRoot) {
    CHECK(contains(key.parent) && allocator_.num_holds(key.parent) > 1, key.parent);
    ++node(key.parent).num_children;
  }
  Node& added = node(page);
  added = {.cached = true,
           .parent = key.parent,
           .salt = key.salt,
           .weights_version = weights_version_,
           .hash = Hash(key),
           .last_used = ++tick_};
  std::ranges::copy(key.tokens, added.tokens.begin());
  added.next_in_bucket = std::exchange(bucket(added.hash), page);
  allocator_.Retain(page);
  ++num_cached_;
  return page;
}

bool PrefixCache::EvictOne() {
  if (oldest_ == kNone) return false;
  const PageId page = oldest_;
  const PageId parent = node(page).parent;
  Unlist(page);
  Remove(page);
  --num_evictable_;
  allocator_.Release(page);
  if (parent != kRoot && node(parent).num_children == 0 && allocator_.num_holds(parent) == 1) {
    List(parent);
  }
  return true;
}

void PrefixCache::WeightsChanged() {
  while (EvictOne()) {
  }
  CHECK(num_cached_ == 0, num_cached_);
  ++weights_version_;
}

void PrefixCache::Remove(PageId page) {
  PageId* link = &bucket(node(page).hash);
  while (*link != page) link = &node(*link).next_in_bucket;
  *link = node(page).next_in_bucket;
  if (node(page).parent != kRoot) --node(node(page).parent).num_children;
  node(page).cached = false;
  --num_cached_;
}

void PrefixCache::List(PageId page) {
  Node& entry = node(page);
  // Given up just now: the newest. A parent whose last child was evicted: near the oldest end, for
  // it was given up right after that child unless someone else used it since.
  PageId newer = kNone;
  if (newest_ != kNone && node(newest_).last_used > entry.last_used) {
    newer = oldest_;
    while (node(newer).last_used < entry.last_used) newer = node(newer).newer;
  }
  const PageId older = newer == kNone ? newest_ : node(newer).older;
  entry.older = older;
  entry.newer = newer;
  entry.listed = true;
  (older == kNone ? oldest_ : node(older).newer) = page;
  (newer == kNone ? newest_ : node(newer).older) = page;
}

void PrefixCache::Unlist(PageId page) {
  Node& entry = node(page);
  (entry.older == kNone ? oldest_ : node(entry.older).newer) = entry.newer;
  (entry.newer == kNone ? newest_ : node(entry.newer).older) = entry.older;
  entry.older = entry.newer = kNone;
  entry.listed = false;
}

void PrefixCache::CheckIntegrity(std::span<const int32_t> holders) const {
  allocator_.CheckIntegrity();
  CHECK(holders.size() == nodes_.size(), holders.size(), nodes_.size());
  std::vector<int32_t> children(nodes_.size(), 0);
  int64_t num_cached = 0, num_evictable = 0, num_listed = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Node& entry = nodes_[i];
    const auto page = static_cast<PageId>(i);
    CHECK(allocator_.num_holds(page) == holders[i] + (entry.cached ? 1 : 0), page, holders[i],
          entry.cached, allocator_.num_holds(page));
    CHECK(!entry.listed || entry.cached, page);
    if (!entry.cached) continue;
    ++num_cached;
    num_evictable += holders[i] == 0;
    num_listed += entry.listed;
    CHECK(entry.listed == (holders[i] == 0 && entry.num_children == 0), page);
    CHECK(Find({entry.parent, entry.salt, entry.tokens}) == page, page);
    if (entry.parent == kRoot) continue;
    CHECK(contains(entry.parent), page, entry.parent);
    CHECK(holders[static_cast<size_t>(entry.parent)] >= holders[i], page, entry.parent);
    ++children[static_cast<size_t>(entry.parent)];
  }
  CHECK(num_cached == num_cached_ && num_evictable == num_evictable_, num_cached, num_cached_,
        num_evictable, num_evictable_);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    CHECK(!nodes_[i].cached || children[i] == nodes_[i].num_children, i);
  }
  uint64_t last_used = 0;
  for (PageId page = oldest_; page != kNone; page = node(page).newer, --num_listed) {
    CHECK(node(page).listed && node(page).last_used >= last_used, page);
    last_used = node(page).last_used;
  }
  CHECK(num_listed == 0, num_listed);
}

}  // namespace tandem
