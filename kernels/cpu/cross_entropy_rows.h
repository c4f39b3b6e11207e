#pragma once
// From rows of logits to the gradients of their cross-entropy; see kernels/cross_entropy.h.

#include <cstdint>

#include "kernels/core/dtype.h"

namespace tandem::cpu {

struct CrossEntropyRows {
  const float* logits = nullptr;  // [rows, vocab]
  int64_t vocab = 0;
  const float* statistics = nullptr;  // [rows, 2]: maximum and log of the sum of exponentials
  const int32_t* targets = nullptr;   // [rows]; outside [0, vocab): no id is one
  const float* weights = nullptr;     // [rows]
  float* d_f32 = nullptr;             // [rows, vocab], may be logits; exactly one of the two is set
  BFloat16* d_bf16 = nullptr;
};

using CrossEntropyFunction = void(const CrossEntropyRows& rows, int64_t begin, int64_t end);

namespace portable {
CrossEntropyFunction CrossEntropyBackward;
}
namespace avx2 {
CrossEntropyFunction CrossEntropyBackward;
}
namespace avx512 {
CrossEntropyFunction CrossEntropyBackward;
}

}  // namespace tandem::cpu
