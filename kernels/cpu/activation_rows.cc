#include "kernels/cpu/activation_rows.h"

#include "kernels/cpu/vec.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

template <typename T>
TANDEM_INLINE void SiluMulRow(const float* gate, const float* up, int64_t width, T* y) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) Store(y + i, Silu(Load(gate + i)) * Load(up + i));
  if (i < width) {
    const F32x16 g = LoadPartial(gate + i, width - i, 0.0f);
    const F32x16 u = LoadPartial(up + i, width - i, 0.0f);
    StorePartial(y + i, Silu(g) * u, width - i);
  }
}

struct SiluMulGradient {
  F32x16 gate, up;
};

TANDEM_INLINE SiluMulGradient Differentiate(F32x16 gate, F32x16 up, F32x16 dy) {
  const F32x16 sigmoid = 1.0f / (1.0f + Exp(-gate));
  return {dy * up * (sigmoid * (1.0f + gate * (1.0f - sigmoid))), dy * (gate * sigmoid)};
}

// d_gate may be gate, and d_up be up.
template <typename T>
TANDEM_INLINE void SiluMulBackwardRow(const float* gate, const float* up, const float* dy,
                                      int64_t width, T* d_gate, T* d_up) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const auto d = Differentiate(Load(gate + i), Load(up + i), Load(dy + i));
    Store(d_gate + i, d.gate);
    Store(d_up + i, d.up);
  }
  if (i < width) {
    const int64_t count = width - i;
    const auto d =
        Differentiate(LoadPartial(gate + i, count, 0.0f), LoadPartial(up + i, count, 0.0f),
                      LoadPartial(dy + i, count, 0.0f));
    StorePartial(d_gate + i, d.gate, count);
    StorePartial(d_up + i, d.up, count);
  }
}

}  // namespace

void SiluMulBackward(const SiluMulBackwardRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * 2 * width;
    const float* gate = rows.gate_up + at;
    const float* dy = rows.dy + row * width;
    if (rows.d_f32 != nullptr) {
      SiluMulBackwardRow(gate, gate + width, dy, width, rows.d_f32 + at, rows.d_f32 + at + width);
    } else {
      SiluMulBackwardRow(gate, gate + width, dy, width, rows.d_bf16 + at, rows.d_bf16 + at + width);
    }
  }
}

void SiluMul(const SiluMulRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = rows.gate_up + row * 2 * width;
    if (rows.y_f32 != nullptr) {
      SiluMulRow(gate, gate + width, width, rows.y_f32 + row * width);
    } else {
      SiluMulRow(gate, gate + width, width, rows.y_bf16 + row * width);
    }
  }
}

void Add(const float* x, float* y, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) Store(y + i, Load(y + i) + Load(x + i));
  for (; i < end; ++i) y[i] = y[i] + x[i];
}

}  // namespace tandem::cpu::TANDEM_ISA
