#pragma once
// Into how many parts the keys of one tile of attention are shared out between blocks. From shapes
// alone, since lengths lie in the device's memory and launches may be captured in a graph; changes
// no bit. No CUDA types here.

#include <algorithm>
#include <cstdint>

#include "kernels/attention.h"

namespace tandem::cuda {

inline constexpr int kTileRows = 64;
inline constexpr int kSegmentKeys = 512;

// Whether tensor cores do it; else plain code.
inline bool HasTile(const KvLayout& layout) {
  const int64_t dim = layout.head_dim;
  return layout.dtype == DType::kBf16 && (dim == 64 || dim == 80 || dim == 96 || dim == 128);
}

struct AttentionShapes {
  int64_t tokens = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t num_seqs = 0;
  int64_t max_pages = 0;  // of a sequence
  bool has_tile = false;  // else a warp does a row

  int64_t num_rows() const { return tokens * num_heads; }
  // No sequence has more than one tile that is not full.
  int64_t max_tiles() const { return num_rows() / num_kv_heads / kTileRows + num_seqs; }
  // Blocks of four warps, when keys are not shared out.
  int64_t num_blocks() const { return has_tile ? max_tiles() * num_kv_heads : num_rows() / 4; }
  int64_t max_segments() const {
    constexpr int64_t kSegmentPages = kSegmentKeys / KvLayout::kPageTokens;
    return (max_pages + kSegmentPages - 1) / kSegmentPages;
  }
};

inline AttentionShapes ShapesOf(const AttentionArgs& args) {
  const KvLayout& layout = args.pool.layout();
  return {.tokens = args.q.dim(0),
          .num_heads = args.q.dim(1),
          .num_kv_heads = layout.num_kv_heads,
          .head_dim = layout.head_dim,
          .num_seqs = args.batch.num_seqs(),
          .max_pages = args.batch.page_tables.dim(1),
          .has_tile = HasTile(layout)};
}

// 1: not at all. At most one for each segment.
inline int64_t NumParts(const AttentionShapes& shapes) {
  constexpr int64_t kEnoughBlocks = 528;          // two rounds of two on 132 multiprocessors
  constexpr int64_t kMaxPartialBytes = 64 << 20;  // of what is written and read again
  const int64_t segments = shapes.max_segments();
  if (segments * shapes.num_rows() * (shapes.head_dim + 2) * 4 > kMaxPartialBytes) return 1;
  return std::clamp<int64_t>(kEnoughBlocks / std::max<int64_t>(shapes.num_blocks(), 1), 1,
                             std::max<int64_t>(segments, 1));
}

}  // namespace tandem::cuda
