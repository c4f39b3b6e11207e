// Writing is bound by memory: a thread an element of k and of v. Neighbouring dims of a token lie
// in different rows of the page, so stores are scattered; they are few beside what made the token.
// A page is copied in words of 16 bytes, all of its layers in one launch.

#include "kernels/kv_pages.h"

#include "kernels/cuda/ops.h"
#include "kernels/cuda/primitives/elementwise.cuh"
#include "kernels/cuda/primitives/kv_page.cuh"
#include "kernels/cuda/primitives/numbers.cuh"

namespace tandem::cuda {
namespace {

template <typename T>
struct KvWriteBody {
  const float* k;
  const float* v;
  PagedBatch batch;

  __device__ void operator()(int64_t i) const {
    const int dim = static_cast<int>(i % batch.head_dim);
    const int kv_head = static_cast<int>(i / batch.head_dim % batch.num_kv_heads);
    const int64_t token = i / batch.head_dim / batch.num_kv_heads;
    const int sequence = FindSequence(batch, token);
    const int64_t position =
        batch.context_lens[sequence] - (batch.cu_seqlens[sequence + 1] - token);
    constexpr int kTokens = PageIndex<T>::kTokens;
    auto* const head = reinterpret_cast<T*>(batch.Head(sequence, position / kTokens, kv_head));
    const int slot = static_cast<int>(position % kTokens);
    head[PageIndex<T>::Key(slot, dim)] = FromFloat<T>(k[i]);
    head[PageIndex<T>::Value(slot, dim, batch.head_dim)] = FromFloat<T>(v[i]);
  }
};

struct KvCopyPageBody {
  uint4* pool;  // [layers][pages][page_words]
  int64_t layer_words;
  int64_t page_words;
  int64_t from;
  int64_t to;

  __device__ void operator()(int64_t i) const {
    uint4* const layer = pool + i / page_words * layer_words;
    const int64_t word = i % page_words;
    layer[to * page_words + word] = layer[from * page_words + word];
  }
};

template <typename T>
void Run(Context& context, const KvWriteArgs& args) {
  const KvWriteBody<T> body{args.k.data<float>(), args.v.data<float>(),
                            PagedBatchOf(args.batch, args.pool, args.layer)};
  ForEach("kv_write", context.stream, args.k.num_elements(), body);
}

}  // namespace

void KvWrite(Context& context, const KvWriteArgs& args) {
  if (args.pool.layout().dtype == DType::kF32) return Run<float>(context, args);
  Run<__nv_bfloat16>(context, args);
}

void KvCopyPage(Context& context, const KvCopyPageArgs& args) {
  const KvLayout& layout = args.pool.layout();
  constexpr auto kWordBytes = static_cast<int64_t>(sizeof(uint4));
  const int64_t page_words = layout.layer_page_bytes() / kWordBytes;  // exact: head_dim is 8 n
  const KvCopyPageBody body{.pool = reinterpret_cast<uint4*>(args.pool.layer(0)),
                            .layer_words = args.pool.num_pages() * page_words,
                            .page_words = page_words,
                            .from = args.from,
                            .to = args.to};
  ForEach("kv_copy_page", context.stream, layout.num_layers * page_words, body);
}

}  // namespace tandem::cuda
