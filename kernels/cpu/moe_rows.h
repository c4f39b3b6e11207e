#pragma once
// Routing scores and the weighted combine, a token at a time; see kernels/moe.h.

#include <cstdint>

#include "kernels/core/dtype.h"

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

struct MoeRouteBackwardRows {
  const float* logits = nullptr;  // [tokens, num_experts]
  int64_t num_experts = 0;
  int64_t top_k = 0;
  bool sigmoid = false;
  bool renormalise = true;
  const int32_t* experts = nullptr;  // [tokens, top_k]
  const float* dweights = nullptr;   // [tokens, top_k]
  const float* dscores = nullptr;    // [tokens, num_experts] or null
  float* dlogits = nullptr;          // [tokens, num_experts]
};

struct MoeCombineBackwardRows {
  const float* dy = nullptr;        // [tokens, width]
  const float* y_rows = nullptr;    // [tokens * top_k, width]
  const int32_t* row_of = nullptr;  // [tokens, top_k]
  const float* weights = nullptr;   // [tokens, top_k]
  int64_t top_k = 0;
  int64_t width = 0;
  float* d_f32 = nullptr;  // [tokens * top_k, width]; exactly one of the two is set
  BFloat16* d_bf16 = nullptr;
  float* dweights = nullptr;  // [tokens, top_k]
};

using MoeRouteBackwardFunction = void(const MoeRouteBackwardRows& rows, int64_t begin, int64_t end);
using MoeCombineBackwardFunction = void(const MoeCombineBackwardRows& rows, int64_t begin,
                                        int64_t end);
using MoeRouteFunction = void(const MoeRouteRows& rows, int64_t begin, int64_t end);
using MoeCombineFunction = void(const MoeCombineRows& rows, int64_t begin, int64_t end);

namespace portable {
MoeRouteFunction MoeRoute;
MoeCombineFunction MoeCombine;
MoeRouteBackwardFunction MoeRouteBackward;
MoeCombineBackwardFunction MoeCombineBackward;
}  // namespace portable
namespace avx2 {
MoeRouteFunction MoeRoute;
MoeCombineFunction MoeCombine;
MoeRouteBackwardFunction MoeRouteBackward;
MoeCombineBackwardFunction MoeCombineBackward;
}  // namespace avx2
namespace avx512 {
MoeRouteFunction MoeRoute;
MoeCombineFunction MoeCombine;
MoeRouteBackwardFunction MoeRouteBackward;
MoeCombineBackwardFunction MoeCombineBackward;
}  // namespace avx512

}  // namespace tandem::cpu
