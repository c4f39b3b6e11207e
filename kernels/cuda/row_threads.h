#pragma once
// The size of a block that searches one row of logits (primitives/block_search.cuh).

#include <algorithm>
#include <cstdint>

namespace tandem::cuda {

inline constexpr int kMaxRowThreads = 512;  // sums over more warps cost more than they save

// A thread for each eight ids.
inline unsigned RowThreads(int64_t vocab) {
  return static_cast<unsigned>(std::clamp<int64_t>((vocab + 255) / 256 * 32, 32, kMaxRowThreads));
}

}  // namespace tandem::cuda
