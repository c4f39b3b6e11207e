// Attention on the product's own tiles, without segments: one running softmax over any range of
// keys, merged once for each range. What the product's arithmetic costs is then the difference, not
// the quality of another kernel.

#include "kernels/cpu/attention_kernel.h"
#include "tests/bench/free/free_order.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

template <class Cache>
void AttendFreely(const AttentionCall& call, const AttentionItem& item, int64_t begin, int64_t end,
                  float* states, float* floats) {
  Scratch<Cache> scratch(call, floats);
  scratch.segment = RowStates(states);
  LoadQueries<Cache>(call, item, scratch.q);
  Clear(call, item, scratch.segment);
  for (int64_t block = begin; block < end; block += kBlockKeys) {
    const BlockPages pages = FindPages<Cache>(call, item, block);
    for (int64_t row = 0; row < item.num_rows; row += kMaxTileRows) {
      const auto num_rows = static_cast<int>(Smaller(item.num_rows - row, kMaxTileRows));
      AttendRows(num_rows, call, scratch, pages, item, row, block);
    }
  }
}

void Finish(const AttentionCall& call, const AttentionItem& item, float* states, int64_t count) {
  const RowStates total(states);
  for (int64_t i = 1; i < count; ++i) {
    Merge(call, item, total, RowStates(states + i * call.states_floats()));
  }
  WriteRows(call, item, total);
}

template <class Cache>
constexpr FreeAttention FreeAttentionOf() {
  return {.scratch_floats = ScratchFloats<Cache>, .attend = AttendFreely<Cache>, .finish = Finish};
}

}  // namespace

constinit const FreeAttention kFreeF32 = FreeAttentionOf<F32Cache>();
#if defined(__AVX512BF16__)
constinit const FreeAttention kFreeBf16 = FreeAttentionOf<Bf16Cache>();
#else
constinit const FreeAttention kFreeBf16 = FreeAttentionOf<WidenedBf16Cache>();
#endif

}  // namespace tandem::cpu::TANDEM_ISA
