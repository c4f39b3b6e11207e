// Norm, softmax, the gate and the combine with four sums where the product has one.

#include "kernels/cpu/vec.h"
#include "tests/bench/free/free_order.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

constexpr int kSums = 4;
constexpr int64_t kStride = kSums * kLanes;

TANDEM_INLINE F32x16 LoadUpTo(const float* from, int64_t left, float fill) {
  return left >= kLanes ? Load(from) : LoadPartial(from, left, fill);
}

TANDEM_INLINE F32x16 Residual(float* x, const float* delta, int64_t left) {
  F32x16 v = LoadUpTo(x, left, 0.0f);
  if (delta == nullptr) return v;
  v += LoadUpTo(delta, left, 0.0f);
  if (left >= kLanes) {
    Store(x, v);
  } else {
    StorePartial(x, v, left);
  }
  return v;
}

float SumOfSquares(float* x, const float* delta, int64_t width) {
  F32x16 sums[kSums] = {};
  int64_t i = 0;
  for (; i + kStride <= width; i += kStride) {
#pragma GCC unroll 4
    for (int s = 0; s < kSums; ++s) {
      const int64_t at = i + s * kLanes;
      const F32x16 v = Residual(x + at, delta == nullptr ? nullptr : delta + at, kLanes);
      sums[s] += v * v;
    }
  }
  for (; i < width; i += kLanes) {
    const F32x16 v = Residual(x + i, delta == nullptr ? nullptr : delta + i, width - i);
    sums[0] += v * v;
  }
  return SumLanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <bool round_before_weight>
TANDEM_INLINE F32x16 Scaled(F32x16 x, float scale, F32x16 weight) {
  F32x16 n = x * scale;
  if constexpr (round_before_weight) n = RoundToBf16(n);
  return weight * n;
}

template <bool round_before_weight, typename T>
TANDEM_INLINE void Scale(const float* x, float scale, const float* weight, int64_t width, T* y) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Store(y + i, Scaled<round_before_weight>(Load(x + i), scale, Load(weight + i)));
  }
  if (i < width) {
    const F32x16 v = LoadPartial(x + i, width - i, 0.0f);
    const F32x16 w = LoadPartial(weight + i, width - i, 0.0f);
    StorePartial(y + i, Scaled<round_before_weight>(v, scale, w), width - i);
  }
}

void RmsNorm(const RmsNormRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  for (int64_t row = begin; row < end; ++row) {
    float* x = rows.x + row * width;
    const float* delta = rows.delta == nullptr ? nullptr : rows.delta + row * width;
    const float mean = SumOfSquares(x, delta, width) / static_cast<float>(width);
    const float scale = 1.0f / __builtin_sqrtf(mean + rows.eps);
    if (rows.y_f32 != nullptr) {
      Scale<false>(x, scale, rows.weight, width, rows.y_f32 + row * width);
    } else if (rows.round_before_weight) {
      Scale<true>(x, scale, rows.weight, width, rows.y_bf16 + row * width);
    } else {
      Scale<false>(x, scale, rows.weight, width, rows.y_bf16 + row * width);
    }
  }
}

// y + shared + the experts as they come.
TANDEM_INLINE F32x16 Combined(const MoeCombineRows& rows, int64_t token, int64_t i, int64_t left) {
  const int64_t at = token * rows.width + i;
  F32x16 sum = LoadUpTo(rows.y + at, left, 0.0f);
  if (rows.shared != nullptr) sum += LoadUpTo(rows.shared + at, left, 0.0f);
  for (int64_t choice = token * rows.top_k; choice < (token + 1) * rows.top_k; ++choice) {
    const float* expert = rows.y_rows + rows.row_of[choice] * rows.width + i;
    sum += rows.weights[choice] * LoadUpTo(expert, left, 0.0f);
  }
  return sum;
}

void MoeCombine(const MoeCombineRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  for (int64_t token = begin; token < end; ++token) {
    float* y = rows.y + token * width;
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) Store(y + i, Combined(rows, token, i, kLanes));
    if (i < width) StorePartial(y + i, Combined(rows, token, i, width - i), width - i);
  }
}

void SiluMul(const SiluMulRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = rows.gate_up + row * 2 * width;
    BFloat16* y = rows.y_bf16 + row * width;
    for (int64_t i = 0; i < width; i += kLanes) {
      const int64_t left = width - i;
      const F32x16 v =
          Silu(LoadUpTo(gate + i, left, 0.0f)) * LoadUpTo(gate + width + i, left, 0.0f);
      if (left >= kLanes) {
        Store(y + i, v);
      } else {
        StorePartial(y + i, v, left);
      }
    }
  }
}

float MaxOf(const float* row, int64_t count) {
  F32x16 best[kSums] = {row[0], row[0], row[0], row[0]};
  int64_t i = 0;
  for (; i + kStride <= count; i += kStride) {
#pragma GCC unroll 4
    for (int s = 0; s < kSums; ++s) best[s] = Max(Load(row + i + s * kLanes), best[s]);
  }
  for (; i < count; i += kLanes) best[0] = Max(LoadUpTo(row + i, count - i, row[0]), best[0]);
  return MaxLanes(Max(Max(best[0], best[1]), Max(best[2], best[3])));
}

template <bool store>
TANDEM_INLINE float SumOfExp(const float* row, int64_t count, float max, float scale,
                             float* terms) {
  F32x16 sums[kSums] = {};
  int64_t i = 0;
  for (; i + kStride <= count; i += kStride) {
#pragma GCC unroll 4
    for (int s = 0; s < kSums; ++s) {
      const F32x16 e = Exp((Load(row + i + s * kLanes) - max) * scale);
      sums[s] += e;
      if constexpr (store) Store(terms + i + s * kLanes, e);
    }
  }
  for (; i < count; i += kLanes) {
    const F32x16 e = Exp((LoadUpTo(row + i, count - i, -__builtin_inff()) - max) * scale);
    sums[0] += e;
    if constexpr (store) Store(terms + i, e);  // terms are padded to 16
  }
  return SumLanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

float SumExp(const float* row, int64_t count, float max, float inverse_temperature, float* terms) {
  return terms == nullptr ? SumOfExp<false>(row, count, max, inverse_temperature, terms)
                          : SumOfExp<true>(row, count, max, inverse_temperature, terms);
}

int64_t Draw(const float* terms, int64_t count, float target) {
  constexpr int64_t kBlock = 16 * kLanes;
  float before = 0.0f;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = begin + kBlock < count ? begin + kBlock : count;
    F32x16 sums[2] = {};
    for (int64_t i = begin; i < end; i += 2 * kLanes) {
      sums[0] += LoadUpTo(terms + i, end - i, 0.0f);
      if (i + kLanes < end) sums[1] += LoadUpTo(terms + i + kLanes, end - i - kLanes, 0.0f);
    }
    const float block = SumLanes(sums[0] + sums[1]);
    if (before + block > target) {
      for (int64_t i = begin; i < end; ++i) {
        before += terms[i];
        if (before > target) return i;
      }
      return end - 1;
    }
    before += block;
  }
  return count - 1;
}

}  // namespace

const FreeRows kFreeRows = {.rms_norm = RmsNorm,
                            .moe_combine = MoeCombine,
                            .silu_mul = SiluMul,
                            .max = MaxOf,
                            .sum_exp = SumExp,
                            .draw = Draw};

}  // namespace tandem::cpu::TANDEM_ISA
