#pragma once
// Element types of tensors, their sizes and names, and the two 16-bit floats as storage types.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/core/check.h"

namespace tandem {

enum class DType : uint8_t { kF32, kBf16, kF16, kI8, kU8, kI32, kI64 };

constexpr int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 4;
    case DType::kBf16:
      return 2;
    case DType::kF16:
      return 2;
    case DType::kI8:
      return 1;
    case DType::kU8:
      return 1;
    case DType::kI32:
      return 4;
    case DType::kI64:
      return 8;
  }
  return 0;
}

std::string_view Name(DType dtype);

// bfloat16 storage. Conversion from float rounds to nearest even; NaN stays NaN.
struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<uint16_t>((u >> 16) | 0x0040u);
    } else {
      bits = static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
  }
  static BFloat16 FromBits(uint16_t raw) {
    BFloat16 value;
    value.bits = raw;
    return value;
  }
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
  friend bool operator==(BFloat16 a, BFloat16 b) = default;
};

// IEEE binary16 storage. Conversion from float rounds to nearest even.
struct Float16 {
  uint16_t bits = 0;

  Float16() = default;
  explicit Float16(float value);
  static Float16 FromBits(uint16_t raw) {
    Float16 value;
    value.bits = raw;
    return value;
  }
  explicit operator float() const;
  friend bool operator==(Float16 a, Float16 b) = default;
};

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBf16;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::kF16;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::kI8;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::kU8;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kI32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::kI64;
};

template <typename T>
constexpr DType kDTypeOf = DTypeOf<T>::value;

}  // namespace tandem
