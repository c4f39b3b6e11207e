#include "kernels/attention.h"

#include <algorithm>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_backward.h"
#include "kernels/device_ops.h"

namespace tandem {
namespace {

// Every page that a row will read is one of the pool's: a wrong id would read foreign memory.
void CheckPages(const RaggedBatch& batch, const KvPool& pool, int64_t window) {
  const int32_t* cu = batch.cu_seqlens.data<int32_t>();
  const int32_t* lens = batch.context_lens.data<int32_t>();
  for (int64_t s = 0; s < batch.num_seqs(); ++s) {
    if (cu[s + 1] == cu[s]) continue;
    const int64_t first_position = lens[s] - (cu[s + 1] - cu[s]);
    const int64_t first_key = window > 0 ? std::max<int64_t>(first_position - window + 1, 0) : 0;
    const int32_t* table = batch.page_tables.data<int32_t>() + s * batch.page_tables.dim(1);
    for (int64_t i = first_key / KvLayout::kPageTokens; i * KvLayout::kPageTokens < lens[s]; ++i) {
      CHECK(table[i] >= 0 && table[i] < pool.num_pages(), "page", i, "of sequence", s, "is",
            table[i], "of", pool.num_pages());
    }
  }
}

}  // namespace

void Attention(Context& context, const AttentionArgs& args) {
  const KvLayout& layout = args.pool.layout();
  ShapeCheck check("Attention");
  Dim tokens{"tokens"}, num_heads{"num_heads"}, head_dim{"head_dim", layout.head_dim};
  check.Match("q", args.q, {tokens, num_heads, head_dim})
      .Match("y", args.y, {tokens, num_heads, head_dim})
      .Type("q", args.q, {DType::kF32})
      .Type("y", args.y, {DType::kF32, DType::kBf16});
  CHECK(num_heads > 0 && num_heads % layout.num_kv_heads == 0, num_heads.value(),
        layout.num_kv_heads);
  CHECK(args.window >= 0, args.window);
  if (!args.statistics.empty()) {
    Dim two{"2", 2};
    check.Match("statistics", args.statistics, {tokens, num_heads, two})
        .Type("statistics", args.statistics, {DType::kF32});
  }
  if (RunOnDevice(context, &DeviceOps::attention, "Attention", args)) return;
  CheckBatch(args.batch, tokens, args.pool);
  CheckPages(args.batch, args.pool, args.window);
  if (tokens > 0) cpu::Attention(context, args);
}

void AttentionBackward(Context& context, const AttentionBackwardArgs& args) {
  const KvLayout& layout = args.pool.layout();
  ShapeCheck check("AttentionBackward");
  Dim tokens{"tokens"}, num_heads{"num_heads"}, head_dim{"head_dim", layout.head_dim};
  Dim num_kv_heads{"num_kv_heads", layout.num_kv_heads}, two{"2", 2};
  check.Match("q", args.q, {tokens, num_heads, head_dim})
      .Match("y", args.y, {tokens, num_heads, head_dim})
      .Match("dy", args.dy, {tokens, num_heads, head_dim})
      .Match("dq", args.dq, {tokens, num_heads, head_dim})
      .Match("dk", args.dk, {tokens, num_kv_heads, head_dim})
      .Match("dv", args.dv, {tokens, num_kv_heads, head_dim})
      .Match("statistics", args.statistics, {tokens, num_heads, two})
      .Type("y", args.y, {DType::kF32, DType::kBf16});
  CHECK(num_heads > 0 && num_heads % layout.num_kv_heads == 0, num_heads.value(),
        layout.num_kv_heads);
  CHECK(args.window >= 0, args.window);
  if (RunOnDevice(context, &DeviceOps::attention_backward, "AttentionBackward", args)) return;
  CheckBatch(args.batch, tokens, args.pool);
  const int32_t* cu = args.batch.cu_seqlens.data<int32_t>();
  for (int64_t s = 0; s < args.batch.num_seqs(); ++s) {
    const int32_t length = args.batch.context_lens.data<int32_t>()[s];
    CHECK(cu[s + 1] - cu[s] == length, "sequence", s, "has keys that are not in the batch");
  }
  CheckPages(args.batch, args.pool, 0);
  if (tokens > 0) cpu::AttentionBackward(context, args);
}

}  // namespace tandem
