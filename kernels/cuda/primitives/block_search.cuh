#pragma once
// Searches of a whole block through `count` keys, 32-bit integers that key(i) gives for an index.
// Nothing is sorted, and sums are of integers: no result hangs on the order of threads. A block has
// any number of whole warps; all of its threads call each function, with the same arguments, and
// get the same results. Each begins with a barrier, after which the block sees what keys are made
// of, and `scratch` is free again.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/primitives/warp.cuh"

namespace tandem::cuda {

// Keys that are ranked by comparing each with each, instead of searching for a bound.
inline constexpr int kFewKeys = 256;

struct Cut {
  uint32_t low = 0;        // keys above it stay, and the first `ties` of those equal to it
  unsigned ties = 0;       // at least 1
  unsigned num_equal = 0;  // keys equal to low
};

struct SearchScratch {
  uint64_t sums[kWarp];  // of each warp, as the next two
  unsigned counts[kWarp];
  float maxima[kWarp];
  uint32_t few[kFewKeys];
  Cut cut;
  int found;
};

__device__ __forceinline__ int Lesser(int a, int b) { return a < b ? a : b; }

__device__ __forceinline__ int LaneIndex() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ __forceinline__ int WarpIndex() { return static_cast<int>(threadIdx.x) / kWarp; }
__device__ __forceinline__ int NumWarps() { return static_cast<int>(blockDim.x) / kWarp; }

__device__ __forceinline__ uint64_t WarpSum(uint64_t value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

// The largest value(i), NaN when there is one; -infinity of none.
template <typename Value>
__device__ float LargestOf(int count, const Value& value, SearchScratch& scratch) {
  __syncthreads();
  float largest = -INFINITY;
#pragma unroll 8
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    largest = LargerOrNan(largest, value(i));
  }
  largest = WarpMax(largest);
  if (LaneIndex() == 0) scratch.maxima[WarpIndex()] = largest;
  __syncthreads();
  return WarpMax(LaneIndex() < NumWarps() ? scratch.maxima[LaneIndex()] : -INFINITY);
}

// The largest key that threads bring.
__device__ inline uint32_t LargestKey(uint32_t key, SearchScratch& scratch) {
  __syncthreads();
  key = __reduce_max_sync(kAllLanes, key);
  if (LaneIndex() == 0) scratch.counts[WarpIndex()] = key;
  __syncthreads();
  return __reduce_max_sync(kAllLanes, LaneIndex() < NumWarps() ? scratch.counts[LaneIndex()] : 0u);
}

// How many keys, and their sum.
struct Mass {
  uint64_t sum = 0;
  unsigned count = 0;
};

// Of keys in [low, high).
template <typename Key>
__device__ Mass MassOf(int count, uint32_t low, uint32_t high, const Key& key,
                       SearchScratch& scratch) {
  __syncthreads();
  Mass own;
#pragma unroll 8
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    const uint32_t k = key(i);
    const bool is_in = k >= low && k < high;
    own.sum += is_in ? k : 0u;
    own.count += is_in ? 1u : 0u;
  }
  own = {WarpSum(own.sum), __reduce_add_sync(kAllLanes, own.count)};
  if (LaneIndex() == 0) {
    scratch.sums[WarpIndex()] = own.sum;
    scratch.counts[WarpIndex()] = own.count;
  }
  __syncthreads();
  const bool is_warp = LaneIndex() < NumWarps();
  return {WarpSum(is_warp ? scratch.sums[LaneIndex()] : uint64_t{0}),
          __reduce_add_sync(kAllLanes, is_warp ? scratch.counts[LaneIndex()] : 0u)};
}

// What one warp walks through where the order of indices counts.
struct Piece {
  int begin;
  int end;
};
__device__ __forceinline__ Piece PieceOf(int count) {
  const int per_warp = (count + NumWarps() * kWarp - 1) / (NumWarps() * kWarp) * kWarp;
  const int begin = Lesser(count, WarpIndex() * per_warp);
  return {begin, Lesser(count, begin + per_warp)};
}

// emit(place, i) for each i with wanted(i), which count up from place 0 in ascending order; returns
// how many.
template <typename Wanted, typename Emit>
__device__ int Collect(int count, const Wanted& wanted, const Emit& emit, SearchScratch& scratch) {
  __syncthreads();
  const Piece piece = PieceOf(count);
  const int lane = LaneIndex();
  const auto ask = [&](int first) {
    return __ballot_sync(kAllLanes, first + lane < piece.end && wanted(first + lane) ? 1 : 0);
  };
  unsigned own = 0;
  for (int i = piece.begin; i < piece.end; i += kWarp) {
    own += static_cast<unsigned>(__popc(ask(i)));
  }
  if (lane == 0) scratch.counts[WarpIndex()] = own;
  __syncthreads();
  const unsigned of_warp = lane < NumWarps() ? scratch.counts[lane] : 0u;
  unsigned place = __reduce_add_sync(kAllLanes, lane < WarpIndex() ? of_warp : 0u);
  for (int i = piece.begin; i < piece.end; i += kWarp) {
    const unsigned found = ask(i);
    if ((found >> lane & 1u) != 0) {
      const unsigned before = found & ((1u << lane) - 1u);
      emit(static_cast<int>(place) + __popc(before), i + lane);
    }
    place += static_cast<unsigned>(__popc(found));
  }
  return static_cast<int>(__reduce_add_sync(kAllLanes, of_warp));
}

// The first i at which value(0) + ... + value(i) exceeds target; -1: none.
template <typename Value>
__device__ int FindAscending(int count, uint64_t target, const Value& value,
                             SearchScratch& scratch) {
  __syncthreads();
  const Piece piece = PieceOf(count);
  const int lane = LaneIndex();
  uint64_t own = 0;
  for (int i = piece.begin + lane; i < piece.end; i += kWarp) own += value(i);
  own = WarpSum(own);
  if (lane == 0) scratch.sums[WarpIndex()] = own;
  if (threadIdx.x == 0) scratch.found = -1;
  __syncthreads();
  uint64_t before = WarpSum(lane < WarpIndex() ? scratch.sums[lane] : uint64_t{0});
  if (before <= target && target < before + own) {
    for (int first = piece.begin; first < piece.end; first += kWarp) {
      uint64_t sum = first + lane < piece.end ? value(first + lane) : 0;
      for (int step = 1; step < kWarp; step *= 2) {
        const uint64_t left = __shfl_up_sync(kAllLanes, sum, static_cast<unsigned>(step));
        if (lane >= step) sum += left;
      }
      const unsigned past = __ballot_sync(kAllLanes, before + sum > target ? 1 : 0);
      if (past != 0) {
        if (lane == 0) scratch.found = first + __ffs(static_cast<int>(past)) - 1;
        break;
      }
      before += __shfl_sync(kAllLanes, sum, kWarp - 1);
    }
  }
  __syncthreads();
  return scratch.found;
}

enum class Measure : uint8_t { kCount, kSum };

template <Measure kMeasure>
__device__ __forceinline__ unsigned TiesNeeded(uint64_t missing, uint32_t key) {
  return static_cast<unsigned>(kMeasure == Measure::kCount ? missing : (missing + key - 1) / key);
}

// The cut among the keys in [low, high), at most kFewKeys; those above measure `above`.
template <Measure kMeasure, typename Key>
__device__ Cut CutOfFew(int count, uint32_t low, uint32_t high, uint64_t above, uint64_t need,
                        const Key& key, SearchScratch& scratch) {
  const int few = Collect(
      count, [&](int i) { return key(i) >= low && key(i) < high; },
      [&](int place, int i) { scratch.few[place] = key(i); }, scratch);
  __syncthreads();
  Cut best;
  for (int i = static_cast<int>(threadIdx.x); i < few; i += static_cast<int>(blockDim.x)) {
    const uint32_t k = scratch.few[i];
    uint64_t larger = above;
    unsigned num_equal = 0;
    for (int j = 0; j < few; ++j) {
      const uint32_t other = scratch.few[j];
      if (other > k) larger += kMeasure == Measure::kCount ? 1 : other;
      if (other == k) ++num_equal;
    }
    const uint64_t equal = uint64_t{num_equal} * (kMeasure == Measure::kCount ? 1 : k);
    if (k >= best.low && larger < need && larger + equal >= need) {
      best = {k, TiesNeeded<kMeasure>(need - larger, k), num_equal};
    }
  }
  // Threads with that key, all of the same cut, write it.
  const uint32_t largest = LargestKey(best.low, scratch);
  if (best.ties > 0 && best.low == largest) scratch.cut = best;
  __syncthreads();
  return scratch.cut;
}

// The smallest set of largest keys that measures at least `need`, which those in [low, high), of
// which there are `in_range`, do together. middle(low, high) lies between.
template <Measure kMeasure, typename Key, typename Middle>
__device__ Cut FindCut(int count, uint32_t low, uint32_t high, unsigned in_range, uint64_t need,
                       const Key& key, const Middle& middle, SearchScratch& scratch) {
  uint64_t above = 0;  // what keys of at least `high` measure
  while (high - low > 1 && in_range > kFewKeys) {
    const uint32_t pivot = middle(low, high);
    const Mass mass = MassOf(count, pivot, high, key, scratch);
    const uint64_t measured = above + (kMeasure == Measure::kCount ? mass.count : mass.sum);
    if (measured >= need) {
      low = pivot;
      in_range = mass.count;
    } else {
      high = pivot;
      above = measured;
      in_range -= mass.count;
    }
  }
  if (high - low == 1) return {low, TiesNeeded<kMeasure>(need - above, low), in_range};
  return CutOfFew<kMeasure>(count, low, high, above, need, key, scratch);
}

}  // namespace tandem::cuda
