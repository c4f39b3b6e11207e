// Writing tokens into pages. A token's keys are a column of the page's key matrix, so its stores
// are scattered: one word for each pair of dims. That is 32 + 64 stores a head of 64 dims in bf16,
// small against the projections that made the token.

#include "kernels/cpu/kv_pages.h"

#include <cstring>

#include "kernels/cpu/kv_page_layout.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kMinTokensPerThread = 8;

// One token's k and v of one head, into its column of `head`.
template <typename T>
void WriteToken(const PageLayout& page, const float* k, const float* v, int64_t token, T* head) {
  constexpr int64_t kUnit = 4 / static_cast<int64_t>(sizeof(T));
  T* key = head + page.KeyIndex(token, 0);
  T* value = head + page.ValueIndex(token, 0);
  for (int64_t d = 0; d < page.head_dim; d += kUnit) {
    for (int64_t i = 0; i < kUnit; ++i) key[d * kPageTokens + i] = T(k[d + i]);
  }
  for (int64_t d = 0; d < page.head_dim; ++d) value[d * kUnit] = T(v[d]);
}

template <typename T>
void WriteTokens(const KvWriteArgs& args, int64_t begin, int64_t end) {
  const KvLayout& layout = args.pool.layout();
  const PageLayout page(layout);
  const int32_t* cu = args.batch.cu_seqlens.data<int32_t>();
  const int32_t* lens = args.batch.context_lens.data<int32_t>();
  const int32_t* tables = args.batch.page_tables.data<int32_t>();
  const int64_t max_pages = args.batch.page_tables.dim(1);
  const int64_t width = layout.num_kv_heads * layout.head_dim;
  std::byte* layer = args.pool.layer(args.layer);

  int64_t sequence = 0;
  for (int64_t token = begin; token < end; ++token) {
    while (cu[sequence + 1] <= token) ++sequence;
    const int64_t position = lens[sequence] - (cu[sequence + 1] - token);
    const PageId id = tables[sequence * max_pages + position / kPageTokens];
    CHECK(id >= 0 && id < args.pool.num_pages(), "page of sequence", sequence, "position", position,
          "is", id, "of", args.pool.num_pages());
    T* share = reinterpret_cast<T*>(layer + id * layout.layer_page_bytes());
    for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
      const int64_t offset = token * width + head * layout.head_dim;
      WriteToken(page, args.k.data<float>() + offset, args.v.data<float>() + offset,
                 position % kPageTokens, share + head * page.head_words() * page.unit);
    }
  }
}

}  // namespace

void KvWrite(Context& context, const KvWriteArgs& args) {
  context.pool.ForRanges(args.k.dim(0), kMinTokensPerThread, [&](int64_t begin, int64_t end) {
    if (args.pool.layout().dtype == DType::kF32) {
      WriteTokens<float>(args, begin, end);
    } else {
      WriteTokens<BFloat16>(args, begin, end);
    }
  });
}

void KvCopyPage(const KvCopyPageArgs& args) {
  const auto bytes = args.pool.layout().layer_page_bytes();
  for (int64_t i = 0; i < args.pool.layout().num_layers; ++i) {
    std::byte* layer = args.pool.layer(i);
    std::memcpy(layer + args.to * bytes, layer + args.from * bytes, static_cast<size_t>(bytes));
  }
}

}  // namespace tandem::cpu
