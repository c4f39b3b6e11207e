#pragma once
// The factors of a DropoutMask (kernels/dropout.h), bit for bit, where kernels need them: pass
// mask.fields() by value.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/primitives/philox.cuh"
#include "kernels/dropout.h"

namespace tandem::cuda {

// Of elements 4 * group to 4 * group + 3: one random number has four words.
__device__ __forceinline__ float4 DropoutFactors(const DropoutMaskFields& mask, uint64_t group) {
  const uint4 words =
      RandomWords({.seed = mask.seed, .position = group, .purpose = RandomPurpose::kDropout});
  return {
      words.x < mask.threshold ? 0.0f : mask.factor, words.y < mask.threshold ? 0.0f : mask.factor,
      words.z < mask.threshold ? 0.0f : mask.factor, words.w < mask.threshold ? 0.0f : mask.factor};
}

__device__ __forceinline__ float DropoutFactor(const DropoutMaskFields& mask, uint64_t element) {
  const float4 factors = DropoutFactors(mask, element / 4);
  const auto at = static_cast<unsigned>(element % 4);
  const float low = at == 0 ? factors.x : factors.y;
  const float high = at == 2 ? factors.z : factors.w;
  return at < 2 ? low : high;
}

}  // namespace tandem::cuda
