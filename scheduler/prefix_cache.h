#pragma once
// Full pages that are worth keeping: a tree whose nodes are pages and whose edges are the 16 tokens
// in them. The path from the root says the whole history before a page, so that a hit is exact:
// hashes only find candidates, and parent, salt, weights version and token ids are then compared.
// Owned by the Scheduler; engine thread only.
//
//   salt 7 ── [t0..t15] page 4 ──┬── [t16..t31] page 9       pinned: held by sequences too
//                                └── [u16..u31] page 2       evictable: held by the cache alone
//
// Invariant: a sequence that holds a cached page holds that page's ancestors too (Insert swaps a
// page computed twice for the one that is cached already). Hence below an evictable page all are
// evictable, and evicting leaves in order of last use can free every one of them.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/text/tokenizer.h"
#include "kernels/kv_pages.h"
#include "scheduler/page_allocator.h"

namespace tandem {

// What a full page holds: these tokens, after the history that `parent` ends.
struct PageKey {
  PageId parent = -1;  // PrefixCache::kRoot: nothing before
  uint64_t salt = 0;   // the tenant's
  std::span<const TokenId, KvLayout::kPageTokens> tokens;
};

class PrefixCache {
 public:
  static constexpr PageId kRoot = -1;

  // `allocator` outlives the cache.
  explicit PrefixCache(PageAllocator& allocator);

  std::optional<PageId> Find(const PageKey& key) const;
  // Of everything that Find compares: equal keys have equal hashes.
  uint64_t Hash(const PageKey& key) const;

  // A sequence takes or gives up its hold of a cached page. Take from the root on, give up from the
  // leaf.
  void Pin(PageId page);
  void Unpin(PageId page);

  // The caller holds `page`, full of key.tokens, and key.parent. Returns the page that it holds
  // from now on: `page`, cached; or the one cached before with the same content, when `page` is
  // released.
  PageId Insert(const PageKey& key, PageId page);

  // Frees the page that was given up longest ago and has no child; false when none is evictable.
  bool EvictOne();
  // K and V of other weights are worthless: frees everything. No page may be pinned.
  void WeightsChanged();

  bool contains(PageId page) const { return nodes_[static_cast<size_t>(page)].cached; }
  int64_t num_cached() const { return num_cached_; }
  int64_t num_evictable() const { return num_evictable_; }  // held by the cache alone

  // Together with the allocator: each page is held by holders[page] sequences, and once by the
  // cache when it is cached; the tree, the buckets and the order of use agree. O(num_pages).
  void CheckIntegrity(std::span<const int32_t> holders) const;

 private:
  static constexpr PageId kNone = -1;

  struct Node {  // of the page with the same index
    bool cached = false;
    bool listed = false;  // in the order of use: evictable and without a child
    PageId parent = kRoot;
    int32_t num_children = 0;
    uint64_t salt = 0;
    uint64_t weights_version = 0;
    uint64_t hash = 0;
    uint64_t last_used = 0;  // tick of the last Unpin
    PageId next_in_bucket = kNone;
    PageId older = kNone, newer = kNone;  // neighbours in the order of use
    std::array<TokenId, KvLayout::kPageTokens> tokens{};
  };

  Node& node(PageId page) { return nodes_[static_cast<size_t>(page)]; }
  const Node& node(PageId page) const { return nodes_[static_cast<size_t>(page)]; }
  PageId& bucket(uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  bool Matches(const Node& candidate, const PageKey& key) const;
  void List(PageId page);  // into the order of use, by last_used
  void Unlist(PageId page);
  void Remove(PageId page);  // from the tree and its bucket; the caller releases the page

  PageAllocator& allocator_;
  // Not maps: one node a page, sized once, so that nothing allocates while tokens flow.
  std::vector<Node> nodes_;      // [num_pages]
  std::vector<PageId> buckets_;  // heads of chains; a power of two of them
  PageId oldest_ = kNone, newest_ = kNone;
  uint64_t tick_ = 0;
  uint64_t weights_version_ = 0;
  int64_t num_cached_ = 0;
  int64_t num_evictable_ = 0;
};

}  // namespace tandem
