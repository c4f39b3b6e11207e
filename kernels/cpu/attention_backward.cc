// Deals sequences and kv heads out to threads, the longest first.

#include "kernels/cpu/attention_backward.h"

#include <algorithm>
#include <atomic>

#include "kernels/core/thread_pool.h"
#include "kernels/cpu/rows_of.h"

namespace tandem::cpu {
namespace {

struct Item {
  int32_t sequence;
  int32_t kv_head;
  int32_t length;
};

const AttentionBackwardKernel& VectorKernel(InstructionSet isa) {
  if (isa >= InstructionSet::kAvx512) return avx512::kAttentionBackward;
  return isa >= InstructionSet::kAvx2 ? avx2::kAttentionBackward : portable::kAttentionBackward;
}

const AttentionBackwardKernel& KernelFor(InstructionSet isa, const AttentionBackwardCall& call) {
#if defined(__x86_64__)
  if (isa == InstructionSet::kAmx && call.cache_is_bf16 && call.head_dim % 32 == 0) {
    return amx::kAttentionBackward;
  }
#endif
  return VectorKernel(isa);
}

AttentionBackwardCall MakeCall(const AttentionBackwardArgs& args) {
  const KvLayout& layout = args.pool.layout();
  return {.q = args.q.data<float>(),
          .y = args.y.bytes(),
          .y_is_bf16 = args.y.dtype() == DType::kBf16,
          .statistics = args.statistics.data<float>(),
          .dy = args.dy.data<float>(),
          .dq = args.dq.data<float>(),
          .dk = args.dk.data<float>(),
          .dv = args.dv.data<float>(),
          .num_heads = args.q.dim(1),
          .num_kv_heads = layout.num_kv_heads,
          .head_dim = layout.head_dim,
          .scale = args.scale,
          .window = args.window,
          .layer = args.pool.layer(args.layer),
          .layer_page_bytes = layout.layer_page_bytes(),
          .cache_is_bf16 = layout.dtype == DType::kBf16,
          .cu_seqlens = args.batch.cu_seqlens.data<int32_t>(),
          .page_tables = args.batch.page_tables.data<int32_t>(),
          .max_pages = args.batch.page_tables.dim(1)};
}

}  // namespace

void AttentionBackward(Context& context, const AttentionBackwardArgs& args) {
  AttentionBackwardCall call = MakeCall(args);
  const AttentionBackwardKernel& kernel = KernelFor(context.isa, call);
  WorkspaceScope scope(context.workspace);
  const int64_t num_rows = args.q.dim(0) * call.num_heads;
  call.deltas = scope.Take<float>(num_rows);
  context.pool.ForRanges(num_rows, GrainRows(2 * call.head_dim), [&](int64_t begin, int64_t end) {
    VectorKernel(context.isa).find_deltas(call, begin, end);
  });
  const int64_t num_items = args.batch.num_seqs() * call.num_kv_heads;
  Item* items = scope.Take<Item>(num_items);
  for (int64_t i = 0; i < num_items; ++i) {
    const auto sequence = static_cast<int32_t>(i / call.num_kv_heads);
    items[i] = {.sequence = sequence,
                .kv_head = static_cast<int32_t>(i % call.num_kv_heads),
                .length = call.cu_seqlens[sequence + 1] - call.cu_seqlens[sequence]};
  }
  std::sort(items, items + num_items,
            [](const Item& a, const Item& b) { return a.length > b.length; });
  const int num_threads = context.pool.num_threads();
  const int64_t max_length = num_items == 0 ? 0 : items[0].length;
  const int64_t scratch_floats = (kernel.scratch_floats(call.head_dim, max_length) + 15) / 16 * 16;
  float* scratch = scope.Take<float>(num_threads * scratch_floats);
  std::atomic<int64_t> next{0};
  context.pool.Run([&](int thread, int) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < num_items;) {
      if (items[i].length == 0) continue;
      kernel.run(call, items[i].sequence, items[i].kv_head, scratch + thread * scratch_floats);
    }
  });
}

}  // namespace tandem::cpu
