#pragma once
// kernels/cpu/vec.h as plain functions over arrays, once for each lowering, so that one test can
// hold them against double precision and against each other.

#include <cstdint>

#include "kernels/core/dtype.h"

namespace tandem {

struct VecProbe {
  const char* name = "";
  // Whole vectors: count is a multiple of 16.
  void (*exp)(const float* x, int64_t count, float* y) = nullptr;
  void (*silu)(const float* x, int64_t count, float* y) = nullptr;
  void (*to_bf16)(const float* x, int64_t count, BFloat16* y) = nullptr;
  void (*from_bf16)(const BFloat16* x, int64_t count, float* y) = nullptr;
  // One vector.
  float (*sum_lanes)(const float* x) = nullptr;
  float (*max_lanes)(const float* x) = nullptr;
  void (*max)(const float* a, const float* b, float* y) = nullptr;
  void (*min)(const float* a, const float* b, float* y) = nullptr;
  uint32_t (*less)(const float* a, const float* b) = nullptr;
  int64_t (*store_selected)(const int32_t* x, uint32_t lanes, int32_t* y) = nullptr;
  // 0 to 16 elements.
  void (*load_partial)(const float* x, int64_t count, float fill, float* y) = nullptr;
  void (*load_partial_bf16)(const BFloat16* x, int64_t count, float fill, float* y) = nullptr;
  void (*store_partial)(const float* x, int64_t count, float* y) = nullptr;
  void (*store_partial_bf16)(const float* x, int64_t count, BFloat16* y) = nullptr;
};

VecProbe PortableProbe();
VecProbe Avx2Probe();
VecProbe Avx512Probe();

}  // namespace tandem
