#include "kernels/cpu/matmul_input.h"

#include <algorithm>

namespace tandem::cpu {
namespace {

// A thread takes at least this much, so that small inputs are not worth waking anyone for.
constexpr int64_t kMinShareBytes = 32 << 10;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t FormElementBytes(InputForm form, DType dtype) {
  switch (form) {
    case InputForm::kPlain:
    case InputForm::kUnsigned:
      return SizeOf(dtype);
    case InputForm::kSwappedF32:
    case InputForm::kSplitI16:
      return 2 * SizeOf(dtype);
  }
  return 0;
}

void PadRow(const std::byte* from, int64_t from_bytes, std::byte* to, int64_t to_bytes) {
  std::copy_n(from, from_bytes, to);
  std::fill_n(to + from_bytes, to_bytes - from_bytes, std::byte{0});
}

// [k] bf16 to [padded_k] f32: pairs as (odd, even), the order in which they are added.
void SwapAndWidenRow(const uint16_t* from, int64_t k, uint32_t* to, int64_t padded_k) {
  for (int64_t i = 0; i + 1 < k; i += 2) {
    to[i] = uint32_t{from[i + 1]} << 16;
    to[i + 1] = uint32_t{from[i]} << 16;
  }
  for (int64_t i = k / 2 * 2; i < padded_k; i += 2) {
    to[i] = 0;
    to[i + 1] = i < k ? uint32_t{from[i]} << 16 : 0;
  }
}

// [k] i8 to [padded_k] i16: fours as (0, 2, 1, 3), the way i16 products pick weights apart.
void SplitAndWidenRow(const int8_t* from, int64_t k, int16_t* to, int64_t padded_k) {
  const int64_t whole = k / 4 * 4;
  for (int64_t i = 0; i < whole; i += 4) {
    to[i] = from[i];
    to[i + 1] = from[i + 2];
    to[i + 2] = from[i + 1];
    to[i + 3] = from[i + 3];
  }
  if (whole < padded_k) {
    int8_t last[4] = {};
    std::copy_n(from + whole, k - whole, last);
    to[whole] = last[0];
    to[whole + 1] = last[2];
    to[whole + 2] = last[1];
    to[whole + 3] = last[3];
  }
}

// [k] i8 to [padded_k] u8, plus 128. Padding meets zero weights, so its value is free.
void OffsetRow(const uint8_t* from, int64_t k, uint8_t* to, int64_t padded_k) {
  for (int64_t i = 0; i < k; ++i) to[i] = from[i] ^ 0x80u;
  std::fill_n(to + k, padded_k - k, uint8_t{0});
}

}  // namespace

MatmulInput PrepareMatmulInput(Context& context, WorkspaceScope& scope, const MatmulKernel& kernel,
                               ConstTensorView x) {
  const int64_t tokens = x.dim(0);
  const int64_t k = x.dim(1);
  const int64_t padded_k = RoundUp(k, kernel.k_multiple);
  const int64_t from_bytes = k * SizeOf(x.dtype());
  if (kernel.form == InputForm::kPlain && padded_k == k) return {x.bytes(), from_bytes};

  const int64_t to_bytes = padded_k * FormElementBytes(kernel.form, x.dtype());
  std::byte* rows = scope.Take<std::byte>(tokens * to_bytes);  // [tokens, padded_k]
  const int64_t grain = kMinShareBytes / std::max(to_bytes, int64_t{1}) + 1;
  context.pool.ForRanges(tokens, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const std::byte* from = x.bytes() + row * from_bytes;
      std::byte* to = rows + row * to_bytes;
      switch (kernel.form) {
        case InputForm::kPlain:
          PadRow(from, from_bytes, to, to_bytes);
          break;
        case InputForm::kSwappedF32:
          SwapAndWidenRow(reinterpret_cast<const uint16_t*>(from), k,
                          reinterpret_cast<uint32_t*>(to), padded_k);
          break;
        case InputForm::kSplitI16:
          SplitAndWidenRow(reinterpret_cast<const int8_t*>(from), k, reinterpret_cast<int16_t*>(to),
                           padded_k);
          break;
        case InputForm::kUnsigned:
          OffsetRow(reinterpret_cast<const uint8_t*>(from), k, reinterpret_cast<uint8_t*>(to),
                    padded_k);
          break;
      }
    }
  });
  return {rows, to_bytes};
}

}  // namespace tandem::cpu
