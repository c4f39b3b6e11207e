#pragma once
// The counter-based random numbers of kernels/core/random.h, bit for bit, where kernels need them.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/core/random.h"

namespace tandem::cuda {

// Philox4x32-10. Counter and result are in the order x, y, z, w.
__device__ __forceinline__ uint4 Philox4x32(uint4 counter, uint2 key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter.x;
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter.z;
    counter = {static_cast<uint32_t>(b >> 32) ^ counter.y ^ key.x, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter.w ^ key.y, static_cast<uint32_t>(a)};
    key.x += 0x9E3779B9u;
    key.y += 0xBB67AE85u;
  }
  return counter;
}

// What RandomBits of the host gives.
__device__ __forceinline__ uint4 RandomWords(const RandomKey& key) {
  return Philox4x32({static_cast<uint32_t>(key.position), static_cast<uint32_t>(key.position >> 32),
                     key.choice, static_cast<uint32_t>(key.purpose)},
                    {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)});
}

// What RandomUniform of the host gives: in [0, 1), 53 bits.
__device__ __forceinline__ double UniformOf(const RandomKey& key) {
  const uint4 words = RandomWords(key);
  const uint64_t wide = (uint64_t{words.x} << 32) | words.y;
  return static_cast<double>(wide >> 11) * 0x1.0p-53;
}

}  // namespace tandem::cuda
