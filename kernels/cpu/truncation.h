#pragma once
// Which weights of a row top-k, top-p and min-p leave. Weights are integers (sampling_rows.h), so a
// set is found by searching for its smallest member, never by sorting the row, and exactly.

#include <cstdint>

#include "kernels/cpu/sampling_rows.h"

namespace tandem::cpu {

struct Truncation {
  int32_t top_k = 0;   // 0: all
  float top_p = 1.0f;  // of the mass that top-k left
  float min_p = 0.0f;  // of the largest weight

  bool Any() const { return top_k > 0 || top_p < 1.0f || min_p > 0.0f; }
};

// What weights multiply differences of logits with.
float InverseTemperature(float temperature);

// The smallest weight that min-p keeps.
int32_t MinPBound(float min_p);

struct WeightedRow {
  const int32_t* weights = nullptr;  // [count], zero-padded; the largest is kWeightOfMax
  int64_t count = 0;                 // a multiple of 16
  uint64_t total = 0;                // their sum
};

// Each has room for the row's count and 32 more.
struct TruncationScratch {
  int32_t* ids = nullptr;
  int32_t* weights = nullptr;
  int32_t* work = nullptr;
};

// What is left, in the scratch: entries whose weight is at least `low`, ids ascending.
struct Candidates {
  const int32_t* ids = nullptr;
  const int32_t* weights = nullptr;
  int64_t count = 0;  // entries, a multiple of 16; those below low are not part of it
  int32_t low = 1;
  uint64_t total = 0;  // sum of what is left
};

Candidates Truncate(const SamplingFunctions& functions, const Truncation& truncation,
                    const WeightedRow& row, const TruncationScratch& scratch);

}  // namespace tandem::cpu
