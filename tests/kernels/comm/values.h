#pragma once
// What ranks hold in these tests, known on every rank; and sums of it in the fixed tree, said
// otherwise than in the code: from the root, not from the leaves.

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/core/tensor.h"

namespace tandem {

inline uint64_t Bits(int leaf, int64_t i) {
  uint64_t x = static_cast<uint64_t>(leaf) * 1'000'003 + static_cast<uint64_t>(i) * 7919;
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Element i of a leaf; of many magnitudes, so that the order of a sum shows.
template <typename T>
T Value(int leaf, int64_t i) {
  const uint64_t bits = Bits(leaf, i);
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(bits);
  } else {
    const float fraction = static_cast<float>(static_cast<int32_t>(bits)) * 0x1p-31f;
    return T(std::ldexp(fraction, static_cast<int>((bits >> 40) % 16) - 8));
  }
}

template <typename T>
std::vector<T> Values(int leaf, int64_t size) {
  std::vector<T> values(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) values[static_cast<size_t>(i)] = Value<T>(leaf, i);
  return values;
}

// What a sum of T is made in.
template <typename T>
auto Widened(T x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<std::make_unsigned_t<T>>(x);
  } else {
    return static_cast<float>(x);
  }
}

// The sum of leaves [first, first + count): the largest power of two of them below count stands
// left.
template <typename T>
auto TreeSum(int first, int count, int64_t i) -> decltype(Widened(T())) {
  if (count == 1) return Widened(Value<T>(first, i));
  const int left = static_cast<int>(std::bit_floor(static_cast<unsigned>(count - 1)));
  return TreeSum<T>(first, left, i) + TreeSum<T>(first + left, count - left, i);
}

template <typename T>
std::vector<T> TreeSums(int first, int count, int64_t size) {
  std::vector<T> sums(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    sums[static_cast<size_t>(i)] = static_cast<T>(TreeSum<T>(first, count, i));
  }
  return sums;
}

template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace tandem
