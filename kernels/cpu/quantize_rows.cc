#include "kernels/cpu/quantize_rows.h"

#include "kernels/cpu/vec.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// Below this a scale would be denormal, hence flushed: such a row counts as all zero.
constexpr float kSmallestMagnitude = 127.0f * 1.17549435e-38f;
// 1.5 * 2^23: adding it leaves the nearest integer (ties to even) in the low bits.
constexpr float kRounder = 12582912.0f;

// Magnitudes compare as integers do, and NaN is above infinity.
TANDEM_INLINE I32x16 MaxMagnitude(I32x16 best, F32x16 v) {
  const I32x16 magnitude = BitCast<int32_t>(Abs(v));
  return Select(magnitude > best, magnitude, best);
}

float LargestMagnitude(const float* x, int64_t width) {
  I32x16 best(0);
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) best = MaxMagnitude(best, Load(x + i));
  if (i < width) best = MaxMagnitude(best, LoadPartial(x + i, width - i, 0.0f));
  const int32_t largest = MaxLanes(best);
  float value;
  std::memcpy(&value, &largest, sizeof(value));
  return value;
}

TANDEM_INLINE I32x16 Quantize(F32x16 v, F32x16 inverse) {
  return BitCast<int32_t>(v * inverse + kRounder) - BitCast<int32_t>(F32x16(kRounder));
}

float QuantizeRow(const float* x, int64_t width, int8_t* y) {
  const float largest = LargestMagnitude(x, width);
  const bool finite = largest < __builtin_inff();  // false for NaN too
  if (!finite || largest < kSmallestMagnitude) {
    if (width > 0) std::memset(y, 0, static_cast<size_t>(width));
    return finite ? 0.0f : __builtin_nanf("");
  }
  const F32x16 inverse = Splat(127.0f / largest);
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Store(y + i, Quantize(Load(x + i), inverse));
  }
  if (i < width) {
    int8_t tail[kLanes];
    Store(tail, Quantize(LoadPartial(x + i, width - i, 0.0f), inverse));
    std::memcpy(y + i, tail, static_cast<size_t>(width - i));
  }
  return largest / 127.0f;
}

template <typename From, typename To>
void ConvertElements(const std::byte* x_bytes, std::byte* y_bytes, int64_t count) {
  const From* x = reinterpret_cast<const From*>(x_bytes);
  To* y = reinterpret_cast<To*>(y_bytes);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) Store(y + i, Load(x + i));
  if (i == count) return;
  From from[kLanes] = {};
  To to[kLanes];
  std::memcpy(static_cast<void*>(from), x + i, static_cast<size_t>(count - i) * sizeof(From));
  Store(to, Load(from));
  std::memcpy(static_cast<void*>(y + i), to, static_cast<size_t>(count - i) * sizeof(To));
}

template <typename From>
void ConvertFrom(const std::byte* x, std::byte* y, DType to, int64_t count) {
  switch (to) {
    case DType::kF32:
      return ConvertElements<From, float>(x, y, count);
    case DType::kBf16:
      return ConvertElements<From, BFloat16>(x, y, count);
    case DType::kF16:
      return ConvertElements<From, Float16>(x, y, count);
    default:
      return;
  }
}

void ConvertRow(const std::byte* x, DType from, std::byte* y, DType to, int64_t count) {
  if (from == to) {
    if (count > 0) std::memcpy(y, x, static_cast<size_t>(count * SizeOf(from)));
    return;
  }
  switch (from) {
    case DType::kF32:
      return ConvertFrom<float>(x, y, to, count);
    case DType::kBf16:
      return ConvertFrom<BFloat16>(x, y, to, count);
    case DType::kF16:
      return ConvertFrom<Float16>(x, y, to, count);
    default:
      return;
  }
}

}  // namespace

const RowConversions kRowConversions{.quantize = QuantizeRow, .convert = ConvertRow};

}  // namespace tandem::cpu::TANDEM_ISA
