#include "kernels/cpu/cross_entropy_rows.h"

#include "kernels/cpu/vec.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// weight * (softmax - [id = target]); d may be logits.
template <typename T>
TANDEM_INLINE void Differentiate(const float* logits, int64_t vocab, float maximum, float log_sum,
                                 int32_t target, float weight, T* d) {
  const bool has_target = target >= 0 && target < vocab;
  const float target_logit = has_target ? logits[target] : 0.0f;
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) {
    Store(d + i, Exp((Load(logits + i) - maximum) - log_sum) * weight);
  }
  if (i < vocab) {
    const F32x16 v = LoadPartial(logits + i, vocab - i, 0.0f);
    StorePartial(d + i, Exp((v - maximum) - log_sum) * weight, vocab - i);
  }
  if (!has_target) return;
  const F32x16 p = Exp((F32x16(target_logit) - maximum) - log_sum);
  StorePartial(d + target, (p - 1.0f) * weight, 1);
}

}  // namespace

void CrossEntropyBackward(const CrossEntropyRows& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* logits = rows.logits + row * rows.vocab;
    const float maximum = rows.statistics[2 * row], log_sum = rows.statistics[2 * row + 1];
    const int64_t at = row * rows.vocab;
    if (rows.d_f32 != nullptr) {
      Differentiate(logits, rows.vocab, maximum, log_sum, rows.targets[row], rows.weights[row],
                    rows.d_f32 + at);
    } else {
      Differentiate(logits, rows.vocab, maximum, log_sum, rows.targets[row], rows.weights[row],
                    rows.d_bf16 + at);
    }
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
