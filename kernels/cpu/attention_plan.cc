#include "kernels/cpu/attention_plan.h"

#include <algorithm>

namespace tandem::cpu {
namespace {

// Work below which another share costs more than it saves: products of a key or value element.
constexpr int64_t kMinShareWork = 1 << 17;

// Cuts move to the nearest item edge when that unbalances shares by less than this part.
constexpr int64_t kTolerancePart = 16;

int64_t NumBlocks(const AttentionItem& item) {
  return (item.end_key - 1) / kBlockKeys - item.first_key / kBlockKeys + 1;
}

// Loading a block costs about as much as four rows that use it.
int64_t Cost(const AttentionItem& item) { return NumBlocks(item) * (item.num_rows + 4); }

int64_t NumTokens(const AttentionCall& call, int64_t sequence) {
  return call.cu_seqlens[sequence + 1] - call.cu_seqlens[sequence];
}

std::span<const AttentionItem> MakeItems(const AttentionCall& call, int64_t num_seqs,
                                         WorkspaceScope& workspace) {
  int64_t num_items = 0;
  for (int64_t s = 0; s < num_seqs; ++s) {
    const int64_t num_rows = NumTokens(call, s) * call.group();
    num_items += (num_rows + kItemRows - 1) / kItemRows * call.num_kv_heads;
  }
  auto* items = workspace.Take<AttentionItem>(num_items);
  int64_t count = 0;
  for (int64_t s = 0; s < num_seqs; ++s) {
    const int64_t num_rows = NumTokens(call, s) * call.group();
    for (int64_t head = 0; head < call.num_kv_heads; ++head) {
      for (int64_t row = 0; row < num_rows; row += kItemRows) {
        const int64_t size = std::min(kItemRows, num_rows - row);
        items[count++] = {.sequence = static_cast<int32_t>(s),
                          .kv_head = static_cast<int32_t>(head),
                          .first_row = static_cast<int32_t>(row),
                          .num_rows = static_cast<int32_t>(size),
                          .first_key = static_cast<int32_t>(call.FirstKey(call.Position(s, row))),
                          .end_key = static_cast<int32_t>(call.Position(s, row + size - 1) + 1)};
      }
    }
  }
  return {items, static_cast<size_t>(count)};
}

// The cut nearest to `offset` (of `cost`) inside an item: one of its edges, or between segments.
AttentionCut CutItem(const AttentionItem& item, int64_t index, int64_t offset, int64_t tolerance) {
  const int64_t cost = Cost(item);
  const int64_t first = item.first_segment(), end = item.end_segment();
  int64_t segment = 2 * offset < cost ? first : end;
  if (std::min(offset, cost - offset) > tolerance) {
    const int64_t key = item.first_key + offset * (item.end_key - item.first_key) / cost;
    segment = std::clamp((key + kSegmentKeys / 2) / kSegmentKeys, first, end);
  }
  return segment == end ? AttentionCut{index + 1, 0} : AttentionCut{index, segment};
}

std::span<const AttentionCut> MakeCuts(std::span<const AttentionItem> items, int64_t head_dim,
                                       int64_t max_shares, WorkspaceScope& workspace) {
  int64_t total = 0;
  for (const AttentionItem& item : items) total += Cost(item);
  const int64_t work = total * kBlockKeys * head_dim;
  const int64_t num_shares = std::clamp<int64_t>(work / kMinShareWork, 1, max_shares);

  auto* cuts = workspace.Take<AttentionCut>(num_shares + 1);
  cuts[0] = {};
  int64_t before = 0, index = 0;
  for (int64_t i = 1; i < num_shares; ++i) {
    const int64_t target = total * i / num_shares;
    while (before + Cost(items[index]) <= target) before += Cost(items[index++]);
    cuts[i] = CutItem(items[index], index, target - before, total / num_shares / kTolerancePart);
  }
  cuts[num_shares] = {static_cast<int64_t>(items.size()), 0};
  for (int64_t i = 0; i < num_shares; ++i) {
    if (cuts[i].item == cuts[num_shares].item) continue;
    cuts[i].segment = std::max(cuts[i].segment, items[cuts[i].item].first_segment());
  }
  return {cuts, static_cast<size_t>(num_shares + 1)};
}

}  // namespace

AttentionPiece AttentionPlan::Piece(int index, int64_t item) const {
  const AttentionItem& whole = items[item];
  const AttentionCut& from = cuts[index];
  const AttentionCut& to = cuts[index + 1];
  AttentionPiece piece{.item = &whole,
                       .first_segment = item == from.item ? from.segment : whole.first_segment(),
                       .end_segment = item == to.item ? to.segment : whole.end_segment()};
  for (const SharedItem& entry : shared) {
    if (entry.item == item) piece.partials = entry.partials;
  }
  return piece;
}

AttentionPlan PlanAttention(const AttentionCall& call, int64_t num_seqs, int64_t max_shares,
                            WorkspaceScope& workspace) {
  AttentionPlan plan;
  plan.items = MakeItems(call, num_seqs, workspace);
  plan.cuts = MakeCuts(plan.items, call.head_dim, max_shares, workspace);

  auto* shared = workspace.Take<SharedItem>(plan.num_shares());
  size_t count = 0;
  for (int i = 1; i < plan.num_shares(); ++i) {
    const AttentionCut& cut = plan.cuts[i];
    if (cut.item == static_cast<int64_t>(plan.items.size())) continue;
    const AttentionItem& item = plan.items[cut.item];
    if (cut.segment == item.first_segment()) continue;
    if (count > 0 && shared[count - 1].item == cut.item) continue;
    const int64_t num_segments = item.end_segment() - item.first_segment();
    shared[count++] = {cut.item, workspace.Take<float>(num_segments * call.states_floats())};
  }
  plan.shared = {shared, count};
  return plan;
}

}  // namespace tandem::cpu
