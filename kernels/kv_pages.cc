#include "kernels/kv_pages.h"

#include <limits>
#include <string>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/kv_page_layout.h"
#include "kernels/cpu/kv_pages.h"
#include "kernels/device_ops.h"

namespace tandem {
namespace {

void CheckLayout(const KvLayout& layout, int64_t num_pages) {
  CHECK(layout.num_layers > 0 && layout.num_kv_heads > 0, layout.num_layers, layout.num_kv_heads);
  CHECK(num_pages >= 0, num_pages);
  if (layout.head_dim <= 0 || layout.head_dim % 8 != 0) {
    throw ConfigError("KV cache: head_dim is " + std::to_string(layout.head_dim) +
                      ", but must be a positive multiple of 8; use a model that has one");
  }
  if (layout.dtype != DType::kF32 && layout.dtype != DType::kBf16) {
    throw ConfigError("KV cache: dtype " + std::string(Name(layout.dtype)) +
                      " is not supported; use f32 or bf16");
  }
}

int64_t PoolBytes(const KvLayout& layout, int64_t num_pages) {
  CheckLayout(layout, num_pages);
  const int64_t limit = std::numeric_limits<int64_t>::max() / 2;
  if (num_pages > std::numeric_limits<PageId>::max() ||
      (num_pages > 0 && layout.page_bytes() > limit / num_pages)) {
    throw ConfigError("KV cache: " + std::to_string(num_pages) + " pages of " +
                      std::to_string(layout.page_bytes()) +
                      " bytes are more than can be addressed; ask for fewer pages");
  }
  return num_pages * layout.page_bytes() + cpu::kPoolTailBytes;
}

}  // namespace

int64_t KvLayout::layer_page_bytes() const {
  return num_kv_heads * 2 * kPageTokens * head_dim * SizeOf(dtype);
}

KvPool::KvPool(const KvLayout& layout, int64_t num_pages, Device device)
    : layout_(layout), num_pages_(num_pages), data_(device, PoolBytes(layout, num_pages)) {}

std::byte* KvPool::layer(int64_t index) {
  CHECK(index >= 0 && index < layout_.num_layers, index, layout_.num_layers);
  return data_.data() + index * num_pages_ * layout_.layer_page_bytes();
}

const std::byte* KvPool::layer(int64_t index) const {
  return const_cast<KvPool*>(this)->layer(index);
}

void CheckBatch(const RaggedBatch& batch, int64_t num_tokens, const KvPool& pool) {
  ShapeCheck check("RaggedBatch");
  Dim num_seqs{"num_seqs", batch.num_seqs()};
  Dim bounds{"num_seqs + 1", batch.num_seqs() + 1};
  Dim max_pages{"max_pages"};
  check.Match("cu_seqlens", batch.cu_seqlens, {bounds})
      .Match("context_lens", batch.context_lens, {num_seqs})
      .Match("page_tables", batch.page_tables, {num_seqs, max_pages});
  const int32_t* cu = batch.cu_seqlens.data<int32_t>();
  const int32_t* lens = batch.context_lens.data<int32_t>();
  CHECK(batch.page_tables.dtype() == DType::kI32, Name(batch.page_tables.dtype()));
  CHECK(cu[0] == 0 && cu[num_seqs] == num_tokens, cu[0], cu[num_seqs], num_tokens);
  for (int64_t s = 0; s < num_seqs; ++s) {
    const int64_t tokens = cu[s + 1] - cu[s];
    CHECK(tokens >= 0 && lens[s] >= tokens, s, tokens, lens[s]);
    CHECK(lens[s] <= max_pages * KvLayout::kPageTokens, s, lens[s], max_pages);
  }
  CHECK(pool.num_pages() > 0 || num_tokens == 0, pool.num_pages(), num_tokens);
}

void KvWrite(Context& context, const KvWriteArgs& args) {
  const KvLayout& layout = args.pool.layout();
  ShapeCheck check("KvWrite");
  Dim tokens{"tokens"}, heads{"num_kv_heads", layout.num_kv_heads};
  Dim head_dim{"head_dim", layout.head_dim};
  check.Match("k", args.k, {tokens, heads, head_dim})
      .Match("v", args.v, {tokens, heads, head_dim})
      .Type("k", args.k, {DType::kF32})
      .Type("v", args.v, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::kv_write, "KvWrite", args)) return;
  CheckBatch(args.batch, tokens, args.pool);
  cpu::KvWrite(context, args);
}

void KvCopyPage(Context& context, const KvCopyPageArgs& args) {
  const int64_t num_pages = args.pool.num_pages();
  CHECK(args.from >= 0 && args.from < num_pages, args.from, num_pages);
  CHECK(args.to >= 0 && args.to < num_pages, args.to, num_pages);
  if (args.from == args.to) return;
  if (RunOnDevice(context, &DeviceOps::kv_copy_page, "KvCopyPage", args)) return;
  cpu::KvCopyPage(args);
}

}  // namespace tandem
