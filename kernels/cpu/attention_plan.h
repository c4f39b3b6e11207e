#pragma once
// How the work of one Attention call is dealt: items in a row, cut into contiguous shares of about
// the same cost, at most as many as asked for. A cut that falls inside a long item lies between two
// of its segments; such an item's segments are merged when all shares are done. Plain data in the
// workspace of the call; where the cuts lie never changes the bits.

#include <span>

#include "kernels/core/workspace.h"
#include "kernels/cpu/attention_call.h"

namespace tandem::cpu {

// The first item and segment of a share.
struct AttentionCut {
  int64_t item = 0;
  int64_t segment = 0;
};

// An item whose segments are in several shares.
struct SharedItem {
  int64_t item = 0;
  float* partials = nullptr;  // [segments of the item][states_floats]
};

struct AttentionPlan {
  std::span<const AttentionItem> items;
  std::span<const AttentionCut> cuts;  // [shares + 1]
  std::span<const SharedItem> shared;  // ascending; fewer than shares

  int num_shares() const { return static_cast<int>(cuts.size()) - 1; }
  // What share `index` does of item `item`, which lies within its cuts; may be nothing.
  AttentionPiece Piece(int index, int64_t item) const;
};

AttentionPlan PlanAttention(const AttentionCall& call, int64_t num_seqs, int64_t max_shares,
                            WorkspaceScope& workspace);

}  // namespace tandem::cpu
