#pragma once
// Ops as one would write them without the promise of ARCHITECTURE's "one arithmetic": sums go where
// they are fastest, products and sums contract, keys and inputs are split between threads at will.
// Compiled for each instruction set (free/*.cc), like the product, once with products and sums kept
// apart (free_sums) and once fused (free_fma); compared with it by order_price.cc. Plain data only,
// since several lowerings share it.

#include <cstdint>

#include "kernels/cpu/activation_rows.h"
#include "kernels/cpu/attention_call.h"
#include "kernels/cpu/moe_rows.h"
#include "kernels/cpu/norm_rows.h"

namespace tandem {

struct FreeRows {
  cpu::RmsNormFunction* rms_norm;
  cpu::MoeCombineFunction* moe_combine;
  cpu::SiluMulFunction* silu_mul;  // y_bf16 only
  float (*max)(const float* row, int64_t count);
  // Sum of e^((row - max) * inverse_temperature); also stores the terms unless `terms` is null.
  float (*sum_exp)(const float* row, int64_t count, float max, float inverse_temperature,
                   float* terms);
  // First index at which the running sum of terms exceeds target; count - 1 if it never does.
  int64_t (*draw)(const float* terms, int64_t count, float target);
};

struct FreeMatmul {
  // One row of x times panels [begin, end) of 64 columns over k groups [group, end_group); panels
  // lie panel_bytes apart. sums: [panels of the matrix, 64].
  void (*f32)(const float* x, const std::byte* w, int64_t panel_bytes, int64_t begin, int64_t end,
              int64_t group, int64_t end_group, float* sums);
  void (*bf16)(const BFloat16* x, const std::byte* w, int64_t panel_bytes, int64_t begin,
               int64_t end, int64_t group, int64_t end_group, float* sums);
};

struct FreeAttention {
  int64_t (*scratch_floats)(const cpu::AttentionCall& call);
  // One running softmax over the item's keys [begin, end), into states (states_floats of them).
  // begin is a multiple of 64.
  void (*attend)(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int64_t begin,
                 int64_t end, float* states, float* scratch);
  // Merges `count` states of an item into the first and writes y.
  void (*finish)(const cpu::AttentionCall& call, const cpu::AttentionItem& item, float* states,
                 int64_t count);
};

#define TANDEM_DECLARE_FREE(isa)        \
  namespace isa {                       \
  extern const FreeRows kFreeRows;      \
  extern const FreeMatmul kFreeMatmul;  \
  extern const FreeAttention kFreeF32;  \
  extern const FreeAttention kFreeBf16; \
  }
namespace cpu {
TANDEM_DECLARE_FREE(free_sums_portable)
TANDEM_DECLARE_FREE(free_sums_avx2)
TANDEM_DECLARE_FREE(free_sums_avx512)
TANDEM_DECLARE_FREE(free_sums_avx512_bf16)
TANDEM_DECLARE_FREE(free_fma_portable)
TANDEM_DECLARE_FREE(free_fma_avx2)
TANDEM_DECLARE_FREE(free_fma_avx512)
TANDEM_DECLARE_FREE(free_fma_avx512_bf16)
}  // namespace cpu
#undef TANDEM_DECLARE_FREE

}  // namespace tandem
