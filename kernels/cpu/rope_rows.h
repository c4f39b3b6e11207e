#pragma once
// Rotation of heads by a table of cosines and sines; see kernels/rope.h.

#include <cstdint>

namespace tandem::cpu {

struct RopeRows {
  const int32_t* positions = nullptr;  // [tokens]
  const float* table = nullptr;        // [positions, head_dim]: half cosines, half sines
  float* x = nullptr;                  // [tokens, heads, head_dim]
  int64_t heads = 0;
  int64_t head_dim = 0;
  bool backward = false;
};

using RopeFunction = void(const RopeRows& rows, int64_t begin, int64_t end);

namespace portable {
RopeFunction Rope;
}
namespace avx2 {
RopeFunction Rope;
}
namespace avx512 {
RopeFunction Rope;
}

}  // namespace tandem::cpu
