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

}  // namespace

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
