#include "kernels/cpu/sampling_rows.h"

#include "kernels/cpu/vec.h"

// A row of 6400 logits is 25 KB: every pass after the first reads L1 or L2, so passes are cheap and
// the exponential, taken once, is the cost that counts.

namespace tandem::cpu::TANDEM_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();

TANDEM_INLINE int64_t Least(int64_t a, int64_t b) { return a < b ? a : b; }

TANDEM_INLINE F32x16 LoadUpTo(const float* from, int64_t left, float fill) {
  return left >= kLanes ? Load(from) : LoadPartial(from, left, fill);
}

RowExtent Scan(const float* row, int64_t count) {
  F32x16 max[4] = {-kInfinity, -kInfinity, -kInfinity, -kInfinity};
  I32x16 good[2] = {-1, -1};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      const F32x16 v = Load(row + i + part * kLanes);
      max[part] = Max(v, max[part]);
      good[part / 2] = good[part / 2] & (v < kInfinity);
    }
  }
  for (; i < count; i += kLanes) {
    const F32x16 v = LoadUpTo(row + i, count - i, -kInfinity);
    max[0] = Max(v, max[0]);
    good[0] = good[0] & (v < kInfinity);
  }
  const F32x16 best = Max(Max(max[0], max[1]), Max(max[2], max[3]));
  return {MaxLanes(best), MaskBits(good[0] & good[1]) == 0xffffu};
}

int64_t FindEqual(const float* row, int64_t begin, int64_t count, float value) {
  for (int64_t i = begin; i < count; i += kLanes) {
    const F32x16 v = LoadUpTo(row + i, count - i, __builtin_nanf(""));
    const uint32_t bits = MaskBits(v == F32x16(value));
    if (bits != 0) return i + __builtin_ctz(bits);
  }
  return count;
}

// One pass: only the block that holds the maximum is read again, for the index.
int64_t ArgMax(const float* row, int64_t count) {
  constexpr int64_t kBlock = 1024;
  float best = -kInfinity;
  int64_t best_block = -1;
  for (int64_t i = 0; i < count; i += kBlock) {
    const RowExtent extent = Scan(row + i, Least(kBlock, count - i));
    if (!extent.finite) return -1;
    if (extent.max > best) {
      best = extent.max;
      best_block = i;
    }
  }
  return best_block < 0 ? -1 : FindEqual(row, best_block, count, best);
}

int64_t FindAbove(const float* row, int64_t begin, int64_t count, float bound) {
  for (int64_t i = begin; i < count; i += kLanes) {
    const uint32_t bits = MaskBits(LoadUpTo(row + i, count - i, -kInfinity) > F32x16(bound));
    if (bits != 0) return i + __builtin_ctz(bits);
  }
  return count;
}

template <bool divide>
TANDEM_INLINE float SumOfExponentials(const float* row, int64_t count, float temperature,
                                      float max) {
  constexpr int64_t kBlock = 1024;
  const F32x16 divisor = temperature, top = max;
  F32x16 total{};
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = Least(begin + kBlock, count);
    F32x16 sum{};
    for (int64_t i = begin; i < end; i += kLanes) {
      F32x16 v = LoadUpTo(row + i, end - i, -kInfinity);
      if constexpr (divide) v = v / divisor;
      sum += Exp(v - top);
    }
    total += sum;
  }
  return SumLanes(total);
}

float SumExp(const float* row, int64_t count, float temperature, float max) {
  return temperature == 1.0f ? SumOfExponentials<false>(row, count, temperature, max)
                             : SumOfExponentials<true>(row, count, temperature, max);
}

// An exact sum of weights in 32-bit lanes: low and high halves apart. Weights are at most 2^30, so
// up to kCapacity vectors fit before the lanes' own sums could overflow.
struct WeightSum {
  static constexpr int64_t kCapacity = 4096;  // in weights: 2^28 in low halves, 2^26 in high ones
  U32x16 low{};
  U32x16 high{};

  [[gnu::always_inline]] void Add(I32x16 w) {
    const U32x16 u = BitCast<uint32_t>(w);
    low += u & 0xffffu;
    high += u >> 16;
  }
  [[gnu::always_inline]] uint64_t Total() const {
    return (uint64_t{SumLanes(high)} << 16) + SumLanes(low);
  }
};

uint64_t Weigh(const float* row, int64_t count, float max, float inverse_temperature,
               int32_t* weights) {
  const F32x16 top = max, scale = inverse_temperature;
  uint64_t total = 0;
  for (int64_t begin = 0; begin < count; begin += WeightSum::kCapacity) {
    const int64_t end = Least(begin + WeightSum::kCapacity, count);
    WeightSum sum;
    for (int64_t i = begin; i < end; i += kLanes) {
      const F32x16 e = Exp((LoadUpTo(row + i, end - i, -kInfinity) - top) * scale);
      const I32x16 w = Convert<int32_t>(e * static_cast<float>(kWeightOfMax) + 0.5f);
      sum.Add(w);
      Store(weights + i, w);
    }
    total += sum.Total();
  }
  return total;
}

Mass MassFrom(const int32_t* weights, int64_t count, int32_t low) {
  const I32x16 bound = low;
  Mass mass;
  for (int64_t begin = 0; begin < count; begin += WeightSum::kCapacity) {
    const int64_t end = Least(begin + WeightSum::kCapacity, count);
    WeightSum sum;
    I32x16 number{};
    for (int64_t i = begin; i < end; i += kLanes) {
      const I32x16 w = Load(weights + i);
      const I32x16 kept = w >= bound;
      number -= kept;  // a true lane is -1
      sum.Add(w & kept);
    }
    mass.count += SumLanes(number);
    mass.sum += sum.Total();
  }
  return mass;
}

int64_t PadWithZeros(int32_t* list, int64_t count) {
  Store(list + count, I32x16{});
  return (count + kLanes - 1) / kLanes * kLanes;
}

int64_t Keep(const int32_t* weights, int64_t count, int32_t low, int32_t high, int32_t* to) {
  const I32x16 from = low, below = high;
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i += kLanes) {
    const I32x16 w = Load(weights + i);
    const I32x16 mask = (w >= from) & (w < below);
    if (AnyLane(mask)) kept += StoreSelected(to + kept, w, mask);
  }
  return PadWithZeros(to, kept);
}

int64_t KeepIndexed(const int32_t* weights, int64_t count, int32_t low, int32_t* to,
                    int32_t* indices) {
  const I32x16 from = low;
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i += kLanes) {
    const I32x16 w = Load(weights + i);
    const I32x16 mask = w >= from;
    if (!AnyLane(mask)) continue;
    StoreSelected(indices + kept, LaneIndices() + static_cast<int32_t>(i), mask);
    kept += StoreSelected(to + kept, w, mask);
  }
  return PadWithZeros(to, kept);
}

int64_t GroupMaxima(const int32_t* weights, int64_t count, int64_t vectors, int32_t* to) {
  int64_t groups = 0;
  for (int64_t begin = 0; begin < count; begin += vectors * kLanes) {
    const int64_t end = Least(begin + vectors * kLanes, count);
    I32x16 max{};
    for (int64_t i = begin; i < end; i += kLanes) {
      const I32x16 w = Load(weights + i);
      max = Select(w > max, w, max);
    }
    Store(to + groups, max);
    groups += kLanes;
  }
  return groups;
}

int64_t DrawInside(const int32_t* weights, int64_t begin, int64_t end, int32_t low,
                   uint64_t target) {
  uint64_t sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    if (weights[i] >= low) sum += static_cast<uint64_t>(weights[i]);
    if (sum > target) return i;
  }
  return -1;
}

int64_t Draw(const int32_t* weights, int64_t count, int32_t low, uint64_t target) {
  constexpr int64_t kBlock = 256;
  const I32x16 bound = low;
  uint64_t before = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = Least(begin + kBlock, count);
    WeightSum sum;
    for (int64_t i = begin; i < end; i += kLanes) {
      const I32x16 w = Load(weights + i);
      sum.Add(w & (w >= bound));
    }
    const uint64_t block = sum.Total();
    if (before + block > target) return DrawInside(weights, begin, end, low, target - before);
    before += block;
  }
  return -1;
}

}  // namespace

const SamplingFunctions kSampling = {
    .scan = Scan,
    .arg_max = ArgMax,
    .find_above = FindAbove,
    .sum_exp = SumExp,
    .weigh = Weigh,
    .mass_from = MassFrom,
    .keep = Keep,
    .keep_indexed = KeepIndexed,
    .group_maxima = GroupMaxima,
    .draw = Draw,
};

}  // namespace tandem::cpu::TANDEM_ISA
