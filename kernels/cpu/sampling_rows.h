#pragma once
// The passes over one row of logits, or of integer weights made of them, that sampling consists of.
// A table of functions for each instruction set; the results are the same bits in all of them.

#include <cstdint>

namespace tandem::cpu {

constexpr int32_t kWeightOfMax = 1 << 30;

struct RowExtent {
  float max = 0.0f;    // of what is not NaN
  bool finite = true;  // no NaN, no +infinity
};

// Weights of at least some bound: how many and their sum.
struct Mass {
  int64_t count = 0;
  uint64_t sum = 0;
};

// Arrays of weights are zero-padded to a multiple of 16; `count` of them is such a multiple too.
struct SamplingFunctions {
  RowExtent (*scan)(const float* row, int64_t count);
  // First index of the maximum; -1 when the row holds NaN or +infinity, or nothing but -infinity.
  int64_t (*arg_max)(const float* row, int64_t count);
  // First index in [begin, count) whose value is above `bound`; count when there is none.
  int64_t (*find_above)(const float* row, int64_t begin, int64_t count, float bound);
  // Sum of exp(row / temperature - max).
  float (*sum_exp)(const float* row, int64_t count, float temperature, float max);
  // weights = round(2^30 exp((row - max) * inverse_temperature)), padded; returns their sum.
  uint64_t (*weigh)(const float* row, int64_t count, float max, float inverse_temperature,
                    int32_t* weights);
  Mass (*mass_from)(const int32_t* weights, int64_t count, int32_t low);
  // Those in [low, high), in order, to `to` (may be `weights`); returns the padded count. Both this
  // and the next may write 32 elements more than they return.
  int64_t (*keep)(const int32_t* weights, int64_t count, int32_t low, int32_t high, int32_t* to);
  // Those of at least low, in order, with their indices.
  int64_t (*keep_indexed)(const int32_t* weights, int64_t count, int32_t low, int32_t* to,
                          int32_t* indices);
  // Maxima of disjoint groups of `vectors` weights each (fewer in the last); returns how many.
  int64_t (*group_maxima)(const int32_t* weights, int64_t count, int64_t vectors, int32_t* to);
  // Index of the first weight at which the ascending sum of weights >= low exceeds target; -1:
  // never.
  int64_t (*draw)(const int32_t* weights, int64_t count, int32_t low, uint64_t target);
};

namespace portable {
extern const SamplingFunctions kSampling;
}
namespace avx2 {
extern const SamplingFunctions kSampling;
}
namespace avx512 {
extern const SamplingFunctions kSampling;
}

}  // namespace tandem::cpu
