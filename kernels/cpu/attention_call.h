#pragma once
// What the host plans and the attention kernels of each instruction set run. Owned by one call of
// Attention; read by all its threads.
//
// A row is one query head of one token. The rows of a sequence that read one kv head are numbered
// token by token: row = token * group + (query head within the group). An item is up to kItemRows
// neighbouring rows; a piece is an item over a range of whole segments of keys.

#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.h"
#include "kernels/core/instruction_set.h"

namespace tandem::cpu {

constexpr int64_t kBlockKeys = 64;     // the online softmax looks at so many scores at once
constexpr int64_t kSegmentKeys = 512;  // and starts anew so often
constexpr int64_t kItemRows = 32;      // rows that pass over a block while it is in the L1 cache

struct AttentionCall {
  const float* q = nullptr;     // [tokens, num_heads, head_dim]
  std::byte* y = nullptr;       // the same shape
  DType y_dtype = DType::kF32;  // f32 or bf16
  float* statistics = nullptr;  // [tokens, num_heads, 2], or null
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  float scale = 0.0f;
  int64_t window = 0;                // 0: no window
  const std::byte* layer = nullptr;  // [num_pages][layer_page_bytes]
  int64_t layer_page_bytes = 0;
  const int32_t* cu_seqlens = nullptr;    // [num_seqs + 1]
  const int32_t* context_lens = nullptr;  // [num_seqs]
  const int32_t* page_tables = nullptr;   // [num_seqs, max_pages]
  int64_t max_pages = 0;

  int64_t group() const { return num_heads / num_kv_heads; }
  // A row's running sums: head_dim rounded up to vectors (lanes past head_dim hold anything), then
  // 16 lanes of the sum of its probabilities.
  int64_t sums_width() const { return (head_dim + 15) / 16 * 16 + 16; }
  // Floats that hold the states (maximum and sums) of an item's rows.
  int64_t states_floats() const { return kItemRows * (1 + sums_width()); }
  // Position of a row's token, and the keys [first_key, position] that it sees.
  int64_t Position(int64_t sequence, int64_t row) const {
    const int64_t num_tokens = cu_seqlens[sequence + 1] - cu_seqlens[sequence];
    return context_lens[sequence] - num_tokens + row / group();
  }
  int64_t FirstKey(int64_t position) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
};

struct AttentionItem {
  int32_t sequence = 0;
  int32_t kv_head = 0;
  int32_t first_row = 0;
  int32_t num_rows = 0;
  int32_t first_key = 0;  // of the item's first row
  int32_t end_key = 0;    // of its last row

  int64_t first_segment() const { return first_key / kSegmentKeys; }
  int64_t end_segment() const { return (end_key - 1) / kSegmentKeys + 1; }
};

struct AttentionPiece {
  const AttentionItem* item = nullptr;
  int64_t first_segment = 0;
  int64_t end_segment = 0;
  // States of each segment of the item, [segments of the item][states_floats], when it is shared
  // between threads; null when the piece is the whole item and writes y.
  float* partials = nullptr;
};

// One instruction set and cache dtype.
struct AttentionKernel {
  int64_t (*scratch_floats)(const AttentionCall& call);  // what a thread needs for `attend`
  void (*attend)(const AttentionCall& call, const AttentionPiece& piece, float* scratch);
  // Merges an item's segments in ascending order and writes y. Same scratch.
  void (*merge)(const AttentionCall& call, const AttentionItem& item, const float* partials,
                float* scratch);
};

namespace portable {
extern const AttentionKernel kAttentionF32, kAttentionBf16;
}
namespace avx2 {
extern const AttentionKernel kAttentionF32, kAttentionBf16;
}
namespace avx512 {
extern const AttentionKernel kAttentionF32, kAttentionBf16;
}
namespace avx512_bf16 {
extern const AttentionKernel kAttentionBf16;
}
namespace amx {  // head_dim a multiple of 32 only
extern const AttentionKernel kAttentionBf16;
}

}  // namespace tandem::cpu
