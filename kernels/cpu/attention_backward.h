#pragma once
// AttentionBackward on the CPU (shapes are checked by the caller), and what the code of each
// instruction set is asked to do.

#include <cstddef>
#include <cstdint>

#include "kernels/attention.h"
#include "kernels/core/dtype.h"

namespace tandem::cpu {

void AttentionBackward(Context& context, const AttentionBackwardArgs& args);

struct AttentionBackwardCall {
  const float* q = nullptr;  // [tokens, num_heads, head_dim]
  const std::byte* y = nullptr;
  bool y_is_bf16 = false;
  const float* statistics = nullptr;  // [tokens, num_heads, 2]
  const float* dy = nullptr;
  float* deltas = nullptr;  // [tokens, num_heads]: dy . y of each row
  float* dq = nullptr;
  float* dk = nullptr;  // [tokens, num_kv_heads, head_dim]
  float* dv = nullptr;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  float scale = 0.0f;
  int64_t window = 0;                // 0: no window
  const std::byte* layer = nullptr;  // [num_pages][layer_page_bytes]
  int64_t layer_page_bytes = 0;
  bool cache_is_bf16 = false;
  const int32_t* cu_seqlens = nullptr;   // [num_seqs + 1]
  const int32_t* page_tables = nullptr;  // [num_seqs, max_pages]
  int64_t max_pages = 0;
};

struct AttentionBackwardKernel {
  // Fills call.deltas for rows [begin, end) of tokens * num_heads; before any `run`. Null: any
  // other kernel's does.
  void (*find_deltas)(const AttentionBackwardCall& call, int64_t begin, int64_t end);
  // What a thread needs for `run`, 64-byte aligned.
  int64_t (*scratch_floats)(int64_t head_dim, int64_t max_length);
  void (*run)(const AttentionBackwardCall& call, int64_t sequence, int64_t kv_head, float* scratch);
};

namespace portable {
extern const AttentionBackwardKernel kAttentionBackward;
}
namespace avx2 {
extern const AttentionBackwardKernel kAttentionBackward;
}
namespace avx512 {
extern const AttentionBackwardKernel kAttentionBackward;
}
#if defined(__x86_64__)
namespace amx {  // bf16 pages and head_dim a multiple of 32 only
extern const AttentionBackwardKernel kAttentionBackward;
}
#endif

}  // namespace tandem::cpu
