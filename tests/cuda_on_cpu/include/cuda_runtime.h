#pragma once
// The part of CUDA's header of this name that device code of this project uses, on fibers. Only
// kernels that run on the CPU see this folder; __shared__ is missing on purpose, since memory
// declared with it could be neither poisoned nor guarded (kernels/cuda/primitives/ptx.cuh).

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "cuda_on_cpu_runtime.h"
#include "tests/cuda_on_cpu/emulator.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

using dim3 = tandem::cuda_on_cpu::Extent3;

#define threadIdx (tandem::cuda_on_cpu::ThreadIndex())
#define blockIdx (tandem::cuda_on_cpu::BlockIndex())
#define blockDim (tandem::cuda_on_cpu::CurrentShape().block)
#define gridDim (tandem::cuda_on_cpu::CurrentShape().grid)
inline constexpr int warpSize = tandem::cuda_on_cpu::kWarpSize;

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// A default argument names the place of the call.
#define TANDEM_HERE const std::source_location& where = std::source_location::current()

inline void __syncthreads(TANDEM_HERE) { tandem::cuda_on_cpu::Barrier(0, where); }
inline int __syncthreads_count(int predicate, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Barrier(predicate != 0 ? 1 : 0, where);
}
inline int __syncthreads_or(int predicate, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Barrier(predicate != 0 ? 1 : 0, where) > 0 ? 1 : 0;
}
inline int __syncthreads_and(int predicate, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Barrier(predicate != 0 ? 0 : 1, where) == 0 ? 1 : 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, TANDEM_HERE) {
  tandem::cuda_on_cpu::WarpOperation(
      "__syncwarp", mask, nullptr, [](void* const*) {}, where);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace tandem::cuda_on_cpu {

// Every lane's value comes from the lane that `source` says for it.
template <typename T>
struct Shuffled {
  T value;
  int source;
  T result;
};

template <typename T>
T Shuffle(const char* name, uint32_t mask, T value, int source, const std::source_location& where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  Shuffled<T> operand{value, source, value};
  WarpOperation(
      name, mask, &operand,
      [](void* const operands[kWarpSize]) {
        for (int lane = 0; lane < kWarpSize; ++lane) {
          auto& own = *static_cast<Shuffled<T>*>(operands[lane]);
          own.result = static_cast<Shuffled<T>*>(operands[own.source])->value;
        }
      },
      where);
  return operand.result;
}

template <typename T, typename Combine>
T Reduce(const char* name, uint32_t mask, T value, const std::source_location& where) {
  WarpOperation(
      name, mask, &value,
      [](void* const operands[kWarpSize]) {
        T sum = *static_cast<T*>(operands[0]);
        for (int lane = 1; lane < kWarpSize; ++lane) {
          sum = Combine()(sum, *static_cast<T*>(operands[lane]));
        }
        for (int lane = 0; lane < kWarpSize; ++lane) *static_cast<T*>(operands[lane]) = sum;
      },
      where);
  return value;
}

struct Sum {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Least {
  template <typename T>
  T operator()(T a, T b) const {
    return std::min(a, b);
  }
};
struct Greatest {
  template <typename T>
  T operator()(T a, T b) const {
    return std::max(a, b);
  }
};
struct AnyBit {
  unsigned operator()(unsigned a, unsigned b) const { return a | b; }
};

// Every lane gets the mask of those with its value.
inline unsigned MatchAny(uint32_t mask, unsigned value, const std::source_location& where) {
  WarpOperation(
      "__match_any_sync", mask, &value,
      [](void* const operands[kWarpSize]) {
        unsigned values[kWarpSize];
        for (int lane = 0; lane < kWarpSize; ++lane) {
          values[lane] = *static_cast<unsigned*>(operands[lane]);
        }
        for (int lane = 0; lane < kWarpSize; ++lane) {
          unsigned same = 0;
          for (int other = 0; other < kWarpSize; ++other) {
            same |= static_cast<unsigned>(values[other] == values[lane]) << other;
          }
          *static_cast<unsigned*>(operands[lane]) = same;
        }
      },
      where);
  return value;
}

}  // namespace tandem::cuda_on_cpu

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, TANDEM_HERE) {
  const int first = tandem::cuda_on_cpu::Lane() / width * width;
  return tandem::cuda_on_cpu::Shuffle("__shfl_sync", mask, value, first + (source & (width - 1)),
                                      where);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, TANDEM_HERE) {
  const int lane = tandem::cuda_on_cpu::Lane();
  const int source = lane ^ lane_mask;
  const bool in_reach = source < (lane / width + 1) * width;
  return tandem::cuda_on_cpu::Shuffle("__shfl_xor_sync", mask, value, in_reach ? source : lane,
                                      where);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, TANDEM_HERE) {
  const int lane = tandem::cuda_on_cpu::Lane();
  const int source = lane - static_cast<int>(delta);
  const bool in_reach = source >= lane / width * width;
  return tandem::cuda_on_cpu::Shuffle("__shfl_up_sync", mask, value, in_reach ? source : lane,
                                      where);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, TANDEM_HERE) {
  const int lane = tandem::cuda_on_cpu::Lane();
  const int source = lane + static_cast<int>(delta);
  const bool in_reach = source < (lane / width + 1) * width;
  return tandem::cuda_on_cpu::Shuffle("__shfl_down_sync", mask, value, in_reach ? source : lane,
                                      where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, TANDEM_HERE) {
  const unsigned bit = predicate != 0 ? 1u << tandem::cuda_on_cpu::Lane() : 0u;
  return tandem::cuda_on_cpu::Reduce<unsigned, tandem::cuda_on_cpu::AnyBit>("__ballot_sync", mask,
                                                                            bit, where);
}
inline int __any_sync(unsigned mask, int predicate, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Reduce<unsigned, tandem::cuda_on_cpu::AnyBit>(
             "__any_sync", mask, predicate != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Reduce<unsigned, tandem::cuda_on_cpu::AnyBit>(
             "__all_sync", mask, predicate == 0, where) == 0;
}
inline unsigned __match_any_sync(unsigned mask, int value, TANDEM_HERE) {
  return tandem::cuda_on_cpu::MatchAny(mask, static_cast<unsigned>(value), where);
}
template <typename T>
T __reduce_add_sync(unsigned mask, T value, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Reduce<T, tandem::cuda_on_cpu::Sum>("__reduce_add_sync", mask, value,
                                                                  where);
}
template <typename T>
T __reduce_min_sync(unsigned mask, T value, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Reduce<T, tandem::cuda_on_cpu::Least>("__reduce_min_sync", mask,
                                                                    value, where);
}
template <typename T>
T __reduce_max_sync(unsigned mask, T value, TANDEM_HERE) {
  return tandem::cuda_on_cpu::Reduce<T, tandem::cuda_on_cpu::Greatest>("__reduce_max_sync", mask,
                                                                       value, where);
}
#undef TANDEM_HERE

// No other fiber runs meanwhile.
template <typename T>
T atomicAdd(T* at, T value) {
  const T before = *at;
  *at = before + value;
  return before;
}
template <typename T>
T atomicMax(T* at, T value) {
  const T before = *at;
  *at = std::max(before, value);
  return before;
}
template <typename T>
T atomicMin(T* at, T value) {
  const T before = *at;
  *at = std::min(before, value);
  return before;
}
template <typename T>
T atomicExch(T* at, T value) {
  const T before = *at;
  *at = value;
  return before;
}
template <typename T>
T atomicCAS(T* at, T expected, T value) {
  const T before = *at;
  if (before == expected) *at = value;
  return before;
}

template <typename T>
T __ldg(const T* at) {
  return *at;
}
inline int __popc(unsigned value) { return std::popcount(value); }
inline int __clz(int value) { return std::countl_zero(static_cast<unsigned>(value)); }
inline int __ffs(int value) {
  return value == 0 ? 0 : std::countr_zero(static_cast<unsigned>(value)) + 1;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(uint64_t{a} * b >> 32);
}
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline float __int_as_float(int bits) { return std::bit_cast<float>(bits); }

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fsqrt_rn(float value) { return std::sqrt(value); }
inline float __fdiv_rn(float a, float b) { return a / b; }
