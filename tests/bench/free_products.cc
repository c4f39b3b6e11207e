// Matmul of one row and attention, shared out between threads at will.

#include <algorithm>
#include <atomic>

#include "kernels/cpu/attention_plan.h"
#include "tests/bench/free_set.h"

namespace tandem {

void RunMatmul(Context& context, MatmulOp& op, MatmulSplit split) {
  const FreeMatmul& free = FreeSetOf(context.isa, Products::kApart).matmul;
  const PackedMatrix& w = op.w.host();
  CHECK(op.shape.tokens == 1 && w.n() % 64 == 0 && w.k() % w.group() == 0, w.n(), w.k());
  const int64_t num_panels = w.n() / 64, num_groups = w.k() / w.group();
  float* y = op.y.data<float>();
  const auto multiply = [&](Range panels, Range groups, float* sums) {
    if (w.dtype() == DType::kF32) {
      free.f32(op.x.data<float>(), w.data(), w.panel_bytes(), panels.begin, panels.end,
               groups.begin, groups.end, sums);
    } else {
      free.bf16(op.x.data<BFloat16>(), w.data(), w.panel_bytes(), panels.begin, panels.end,
                groups.begin, groups.end, sums);
    }
  };
  if (split == MatmulSplit::kPanels || context.pool.num_threads() == 1) {
    context.pool.Run([&](int thread, int num_threads) {
      multiply(SplitRange(num_panels, thread, num_threads), {0, num_groups}, y);
    });
    return;
  }
  WorkspaceScope scope(context.workspace);
  auto* partials = scope.Take<float>((context.pool.num_threads() - 1) * w.n());
  context.pool.Run([&](int thread, int num_threads) {
    multiply({0, num_panels}, SplitRange(num_groups, thread, num_threads),
             thread == 0 ? y : partials + (thread - 1) * w.n());
  });
  for (int i = 0; i + 1 < context.pool.num_threads(); ++i) {
    for (int64_t column = 0; column < w.n(); ++column) y[column] += partials[i * w.n() + column];
  }
}

namespace {

cpu::AttentionCall CallOf(const AttentionOp& op) {
  const KvLayout& layout = op.pool.layout();
  const RaggedBatch batch = op.batch.view();
  return {.q = op.q.data<float>(),
          .y = op.y.bytes(),
          .y_dtype = op.y.dtype(),
          .num_heads = op.shape.heads.num_heads,
          .num_kv_heads = layout.num_kv_heads,
          .head_dim = layout.head_dim,
          .scale = op.shape.heads.scale(),
          .window = op.shape.heads.window,
          .layer = op.pool.layer(AttentionOp::kLayer),
          .layer_page_bytes = layout.layer_page_bytes(),
          .cu_seqlens = batch.cu_seqlens.data<int32_t>(),
          .context_lens = batch.context_lens.data<int32_t>(),
          .page_tables = batch.page_tables.data<int32_t>(),
          .max_pages = batch.page_tables.dim(1)};
}

constexpr int64_t kBlock = cpu::kBlockKeys;

}  // namespace

// Items are taken as threads come; where there are few, each thread takes a part of every item's
// keys.
void RunAttention(Context& context, AttentionOp& op, Products products) {
  const cpu::AttentionCall call = CallOf(op);
  const FreeSet set = FreeSetOf(context.isa, products);
  const FreeAttention& free =
      op.pool.layout().dtype == DType::kF32 ? set.attention_f32 : set.attention_bf16;
  WorkspaceScope scope(context.workspace);
  const int num_threads = context.pool.num_threads();
  const cpu::AttentionPlan plan =
      cpu::PlanAttention(call, op.batch.view().num_seqs(), num_threads, scope);
  const auto num_items = static_cast<int64_t>(plan.items.size());
  const int64_t scratch_floats = (free.scratch_floats(call) + 15) / 16 * 16;
  auto* scratch = scope.Take<float>(num_threads * scratch_floats);
  const int parts = num_items >= 2 * num_threads ? 1 : plan.num_shares();
  auto* states =
      scope.Take<float>(std::max<int64_t>(num_threads, num_items * parts) * call.states_floats());
  std::atomic<int64_t> next = 0;
  const auto take_pieces = [&](int thread, int) {
    for (int64_t piece = next++; piece < num_items * parts; piece = next++) {
      const cpu::AttentionItem& item = plan.items[static_cast<size_t>(piece / parts)];
      const int64_t first = item.first_key / kBlock;
      const int64_t num_blocks = (item.end_key - 1) / kBlock + 1 - first;
      const Range blocks = SplitRange(num_blocks, static_cast<int>(piece % parts), parts);
      float* own = states + (parts == 1 ? thread : piece) * call.states_floats();
      free.attend(call, item, (first + blocks.begin) * kBlock,
                  std::min<int64_t>((first + blocks.end) * kBlock, item.end_key), own,
                  scratch + thread * scratch_floats);
      if (parts == 1) free.finish(call, item, own, 1);
    }
  };
  const ScopedFlushDenormals flush;
  if (plan.num_shares() == 1) {
    take_pieces(0, 1);
  } else {
    context.pool.Run(take_pieces);
  }
  for (int64_t i = 0; parts > 1 && i < num_items; ++i) {
    free.finish(call, plan.items[static_cast<size_t>(i)], states + i * parts * call.states_floats(),
                parts);
  }
}

}  // namespace tandem
