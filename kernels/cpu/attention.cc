// Plans a call, runs its shares on the pool and merges the items that were shared.

#include "kernels/cpu/attention.h"

#include "kernels/cpu/attention_plan.h"

namespace tandem::cpu {
namespace {

// The dtype is the cache's. A model has one head_dim, so all its calls get one kernel.
const AttentionKernel& KernelFor(InstructionSet isa, DType dtype, int64_t head_dim) {
  const bool is_f32 = dtype == DType::kF32;
  switch (isa) {
#if defined(__x86_64__)
    case InstructionSet::kAmx:
      if (!is_f32 && head_dim % 32 == 0) return amx::kAttentionBf16;
      // Here the bf16 dot runs at half the rate of fused multiply-adds (82 against 157 GFLOP/s on a
      // core of Sapphire Rapids), so pairs are widened.
      return is_f32 ? avx512::kAttentionF32 : avx512::kAttentionBf16;
    case InstructionSet::kAvx512:
      return is_f32 ? avx512::kAttentionF32 : avx512::kAttentionBf16;
    case InstructionSet::kAvx512Bf16:
      return is_f32 ? avx512::kAttentionF32 : avx512_bf16::kAttentionBf16;
    case InstructionSet::kAvx2:
      return is_f32 ? avx2::kAttentionF32 : avx2::kAttentionBf16;
#else
    case InstructionSet::kAmx:
    case InstructionSet::kAvx512Bf16:
    case InstructionSet::kAvx512:
    case InstructionSet::kAvx2:
#endif
    case InstructionSet::kPortable:
      break;
  }
  return is_f32 ? portable::kAttentionF32 : portable::kAttentionBf16;
}

AttentionCall MakeCall(const AttentionArgs& args) {
  const KvLayout& layout = args.pool.layout();
  return {.q = args.q.data<float>(),
          .y = args.y.bytes(),
          .y_dtype = args.y.dtype(),
          .statistics = args.statistics.empty() ? nullptr : args.statistics.data<float>(),
          .num_heads = args.q.dim(1),
          .num_kv_heads = layout.num_kv_heads,
          .head_dim = layout.head_dim,
          .scale = args.scale,
          .window = args.window,
          .layer = args.pool.layer(args.layer),
          .layer_page_bytes = layout.layer_page_bytes(),
          .cu_seqlens = args.batch.cu_seqlens.data<int32_t>(),
          .context_lens = args.batch.context_lens.data<int32_t>(),
          .page_tables = args.batch.page_tables.data<int32_t>(),
          .max_pages = args.batch.page_tables.dim(1)};
}

}  // namespace

void Attention(Context& context, const AttentionArgs& args) {
  const AttentionCall call = MakeCall(args);
  const AttentionKernel& kernel = KernelFor(context.isa, args.pool.layout().dtype, call.head_dim);
  WorkspaceScope workspace(context.workspace);
  const AttentionPlan plan =
      PlanAttention(call, args.batch.num_seqs(), context.pool.NumPieces(INT64_MAX), workspace);
  const int64_t scratch_floats = (kernel.scratch_floats(call) + 15) / 16 * 16;
  float* scratch = workspace.Take<float>(plan.num_shares() * scratch_floats);

  context.pool.Deal(plan.num_shares(), [&](int64_t index) {
    const auto share = static_cast<int>(index);
    const auto num_items = static_cast<int64_t>(plan.items.size());
    const AttentionCut& end = plan.cuts[share + 1];
    for (int64_t i = plan.cuts[share].item; i <= end.item && i < num_items; ++i) {
      const AttentionPiece piece = plan.Piece(share, i);
      if (piece.first_segment < piece.end_segment) {
        kernel.attend(call, piece, scratch + share * scratch_floats);
      }
    }
  });
  const ScopedFlushDenormals flush;
  for (const SharedItem& shared : plan.shared) {
    kernel.merge(call, plan.items[shared.item], shared.partials, scratch);
  }
}

}  // namespace tandem::cpu
