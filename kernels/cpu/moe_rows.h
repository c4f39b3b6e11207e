#pragma once
// Routing scores and the weighted combine, a token at a time; see kernels/moe.h.

#include <cstdint>

namespace tandem::cpu {

struct MoeRouteRows {
  static constexpr int64_t kMaxExperts = 1024;

  const float* logits = nullptr;  // [tokens, num_experts], num_experts <= kMaxExperts
  int64_t num_experts = 0;
  int64_t top_k = 0;
  bool sigmoid = false;  // else softmax
  bool renormalise = true;
  int32_t* experts = nullptr;  // [tokens, top_k]
  float* weights = nullptr;    // [tokens, top_k]
};

struct MoeCombineRows {
  const float* y_rows = nullptr;    // [tokens * top_k, width]
  const int32_t* row_of = nullptr;  // [tokens, top_k]
  const float* weights = nullptr;   // [tokens, top_k]
  const float* shared = nullptr;    // [tokens, width] or null
  int64_t top_k = 0;
  int64_t width = 0;
  float* y = nullptr;  // [tokens, width]
};

using MoeRouteFunction = void(const MoeRouteRows& rows, int64_t begin, int64_t end);
using MoeCombineFunction = void(const MoeCombineRows& rows, int64_t begin, int64_t end);

namespace portable {
MoeRouteFunction MoeRoute;
MoeCombineFunction MoeCombine;
}  // namespace portable
namespace avx2 {
MoeRouteFunction MoeRoute;
MoeCombineFunction MoeCombine;
}  // namespace avx2
namespace avx512 {
MoeRouteFunction MoeRoute;
MoeCombineFunction MoeCombine;
}  // namespace avx512

}  // namespace tandem::cpu
