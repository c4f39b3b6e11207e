#include "kernels/cpu/cross_entropy_rows.h"

#include "kernels/cpu/vec.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// weight * (softmax - [id = target]); d may be logits.
template <typename T>
TANDEM_INLINE void Differentiate(const float* logits, int64_t vocab, float maximum, float log_sum,
                                 int32_t target, float weight, T* d) {
  const float target_logit = logits[target];
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) {
    Store(d + i, Exp((Load(logits + i) - maximum) - log_sum) * weight);
  }
  if (i < vocab) {
    const F32x16 v = LoadPartial(logits + i, vocab - i, 0.0f);
    StorePartial(d + i, Exp((v - maximum) - log_sum) * weight, vocab - i);
  }
  const F32x16 p = Exp((F32x16(target_logit) - maximum) - log_sum);
  StorePartial(d + target, (p - 1.0f) * weight, 1);
}

}  // namespace

void CrossEntropyBackward(const CrossEntropyRows& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* logits = rows.logits + row * rows.vocab;
    const int64_t at = row * rows.vocab;
    if (rows.d_f32 != nullptr) {
      Differentiate(logits, rows.vocab, rows.maxima[row], rows.log_sums[row], rows.targets[row],
                    rows.weights[row], rows.d_f32 + at);
    } else {
      Differentiate(logits, rows.vocab, rows.maxima[row], rows.log_sums[row], rows.targets[row],
                    rows.weights[row], rows.d_bf16 + at);
    }
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
