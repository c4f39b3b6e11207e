#include "kernels/attention.h"

#include <algorithm>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/attention.h"

namespace tandem {
namespace {

// Every page that a row will read is one of the pool's: a wrong id would read foreign memory.
void CheckPages(const AttentionArgs& args) {
  const int32_t* cu = args.batch.cu_seqlens.data<int32_t>();
  const int32_t* lens = args.batch.context_lens.data<int32_t>();
  for (int64_t s = 0; s < args.batch.num_seqs(); ++s) {
    if (cu[s + 1] == cu[s]) continue;
    const int64_t first_position = lens[s] - (cu[s + 1] - cu[s]);
    const int64_t first_key =
        args.window > 0 ? std::max<int64_t>(first_position - args.window + 1, 0) : 0;
    const int32_t* table =
        args.batch.page_tables.data<int32_t>() + s * args.batch.page_tables.dim(1);
    for (int64_t i = first_key / KvLayout::kPageTokens; i * KvLayout::kPageTokens < lens[s]; ++i) {
      CHECK(table[i] >= 0 && table[i] < args.pool.num_pages(), "page", i, "of sequence", s, "is",
            table[i], "of", args.pool.num_pages());
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
  CheckBatch(args.batch, tokens, args.pool);
  CheckPages(args);
  CHECK(context.device.kind == DeviceKind::kCpu);
  if (tokens > 0) cpu::Attention(context, args);
}

}  // namespace tandem
