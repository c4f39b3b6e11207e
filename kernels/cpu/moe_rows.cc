#include "kernels/cpu/moe_rows.h"

#include "kernels/cpu/vec.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// Scores padded to a multiple of 16 with zeros. Softmax sums over 16 lanes ascending, then the
// tree.
void Scores(const float* logits, int64_t count, bool sigmoid, float* scores) {
  const float lowest = -__builtin_inff();
  if (sigmoid) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const int64_t left = count - i < kLanes ? count - i : kLanes;
      Store(scores + i, 1.0f / (1.0f + Exp(-LoadPartial(logits + i, left, lowest))));
    }
    return;
  }
  F32x16 max = lowest;
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t left = count - i < kLanes ? count - i : kLanes;
    max = Max(LoadPartial(logits + i, left, lowest), max);
  }
  const F32x16 top = MaxLanes(max);
  F32x16 sum{};
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t left = count - i < kLanes ? count - i : kLanes;
    const F32x16 e = Exp(LoadPartial(logits + i, left, lowest) - top);
    sum += e;
    Store(scores + i, e);
  }
  const F32x16 total = SumLanes(sum);
  for (int64_t i = 0; i < count; i += kLanes) Store(scores + i, Load(scores + i) / total);
}

// The best score that is left; the first one left where none compares (all NaN).
int64_t TakeBest(const float* scores, int64_t count, uint8_t* taken) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; ++i) {
    if (taken[i] == 0 && (best < 0 || scores[i] > scores[best])) best = i;
  }
  taken[best] = 1;
  return best;
}

void RouteToken(const MoeRouteRows& rows, const float* logits, int32_t* experts, float* weights) {
  alignas(64) float scores[MoeRouteRows::kMaxExperts];
  uint8_t taken[MoeRouteRows::kMaxExperts];
  Scores(logits, rows.num_experts, rows.sigmoid, scores);
  for (int64_t i = 0; i < rows.num_experts; ++i) taken[i] = 0;
  float sum = 0.0f;
  for (int64_t choice = 0; choice < rows.top_k; ++choice) {
    const int64_t best = TakeBest(scores, rows.num_experts, taken);
    experts[choice] = static_cast<int32_t>(best);
    weights[choice] = scores[best];
    sum = sum + scores[best];
  }
  if (!rows.renormalise) return;
  for (int64_t choice = 0; choice < rows.top_k; ++choice) {
    weights[choice] = weights[choice] / (sum + 1e-20f);
  }
}

// One token: from the gradients of its weights to those of its logits.
void DifferentiateRouting(const MoeRouteBackwardRows& rows, int64_t token) {
  alignas(64) float scores[MoeRouteRows::kMaxExperts];
  alignas(64) float gradient[MoeRouteRows::kMaxExperts];  // of the scores
  const int64_t count = rows.num_experts;
  const int32_t* experts = rows.experts + token * rows.top_k;
  const float* dweights = rows.dweights + token * rows.top_k;
  float* dlogits = rows.dlogits + token * count;
  Scores(rows.logits + token * count, count, rows.sigmoid, scores);
  for (int64_t i = 0; i < count; ++i) {
    gradient[i] = rows.dscores == nullptr ? 0.0f : rows.dscores[token * count + i];
  }
  float sum = 0.0f, product = 0.0f;
  for (int64_t choice = 0; choice < rows.top_k; ++choice) {
    sum = sum + scores[experts[choice]];
    product = product + dweights[choice] * scores[experts[choice]];
  }
  // weight = score / total, total = sum + 1e-20
  const float total = sum + 1e-20f;
  for (int64_t choice = 0; choice < rows.top_k; ++choice) {
    const float d =
        rows.renormalise ? (dweights[choice] - product / total) / total : dweights[choice];
    gradient[experts[choice]] = gradient[experts[choice]] + d;
  }
  float mean = 0.0f;
  for (int64_t i = 0; i < count; ++i) mean = mean + scores[i] * gradient[i];
  for (int64_t i = 0; i < count; ++i) {
    dlogits[i] = rows.sigmoid ? scores[i] * (1.0f - scores[i]) * gradient[i]
                              : scores[i] * (gradient[i] - mean);
  }
}

template <typename T>
TANDEM_INLINE void DifferentiateCombine(const MoeCombineBackwardRows& rows, int64_t choice,
                                        const float* dy, T* d) {
  const float* y = rows.y_rows + rows.row_of[choice] * rows.width;
  const float weight = rows.weights[choice];
  F32x16 sum{};
  for (int64_t i = 0; i < rows.width; i += kLanes) {
    const int64_t left = rows.width - i < kLanes ? rows.width - i : kLanes;
    const F32x16 v = LoadPartial(dy + i, left, 0.0f);
    sum += v * LoadPartial(y + i, left, 0.0f);
    StorePartial(d + rows.row_of[choice] * rows.width + i, weight * v, left);
  }
  rows.dweights[choice] = SumLanes(sum);
}

}  // namespace

void MoeRouteBackward(const MoeRouteBackwardRows& rows, int64_t begin, int64_t end) {
  for (int64_t token = begin; token < end; ++token) DifferentiateRouting(rows, token);
}

void MoeCombineBackward(const MoeCombineBackwardRows& rows, int64_t begin, int64_t end) {
  for (int64_t choice = begin * rows.top_k; choice < end * rows.top_k; ++choice) {
    const float* dy = rows.dy + choice / rows.top_k * rows.width;
    if (rows.d_f32 != nullptr) {
      DifferentiateCombine(rows, choice, dy, rows.d_f32);
    } else {
      DifferentiateCombine(rows, choice, dy, rows.d_bf16);
    }
  }
}

void MoeRoute(const MoeRouteRows& rows, int64_t begin, int64_t end) {
  for (int64_t token = begin; token < end; ++token) {
    RouteToken(rows, rows.logits + token * rows.num_experts, rows.experts + token * rows.top_k,
               rows.weights + token * rows.top_k);
  }
}

void MoeCombine(const MoeCombineRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  for (int64_t token = begin; token < end; ++token) {
    const int32_t* row_of = rows.row_of + token * rows.top_k;
    const float* weights = rows.weights + token * rows.top_k;
    float* y = rows.y + token * width;
    for (int64_t i = 0; i < width; i += kLanes) {
      const int64_t left = width - i < kLanes ? width - i : kLanes;
      F32x16 sum = weights[0] * LoadPartial(rows.y_rows + row_of[0] * width + i, left, 0.0f);
      for (int64_t choice = 1; choice < rows.top_k; ++choice) {
        const float* expert = rows.y_rows + row_of[choice] * width + i;
        sum += weights[choice] * LoadPartial(expert, left, 0.0f);
      }
      if (rows.shared != nullptr) {
        sum += LoadPartial(rows.shared + token * width + i, left, 0.0f);
      }
      StorePartial(y + i, LoadPartial(y + i, left, 0.0f) + sum, left);
    }
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
