// One row times packed weights, with several sums for each output: the latency of a multiply-add no
// longer bounds a panel, and where the product runs tiles for the sake of their order, vectors run
// here.

#include "kernels/cpu/attention_lanes.h"
#include "tests/bench/free/free_order.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

constexpr int kPanelParts = 64 / kPartLanes;      // registers of a panel's columns
constexpr int kSums = kPanelParts >= 8 ? 1 : 4;   // where there are enough chains without
constexpr int kPasses = kPanelParts > 8 ? 2 : 1;  // and never more sums than registers
constexpr int kPassParts = kPanelParts / kPasses;

constexpr int64_t kFetchAheadBytes = 4096;  // as the product's narrow tiles do

template <typename T>
TANDEM_INLINE T LoadAs(const std::byte* from) {
  T v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

struct F32 {
  using Element = float;
  static constexpr int64_t kGroup = 1;
  TANDEM_INLINE Part MultiplyAdd(const float* x, const std::byte* w, Part sum) {
    return MulAddPart(SplatPart(x[0]), LoadAs<Part>(w), sum);
  }
};

struct Bf16 {
  using Element = BFloat16;
  static constexpr int64_t kGroup = 2;
  TANDEM_INLINE Part MultiplyAdd(const BFloat16* x, const std::byte* w, Part sum) {
    uint32_t pair;
    std::memcpy(&pair, x, sizeof(pair));
#if defined(__AVX512BF16__)
    return reinterpret_cast<Part>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(sum),
                         reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int32_t>(pair))),
                         reinterpret_cast<__m512bh>(LoadAs<PartWords>(w))));
#else
    const PartWords x_pair = pair - PartWords{};
    const PartWords words = LoadAs<PartWords>(w);
    sum = MulAddPart(reinterpret_cast<Part>(x_pair & 0xffff0000u),
                     reinterpret_cast<Part>(words & 0xffff0000u), sum);
    return MulAddPart(reinterpret_cast<Part>(x_pair << 16), reinterpret_cast<Part>(words << 16),
                      sum);
#endif
  }
};

template <typename Kind>
void MultiplyPanels(const typename Kind::Element* x, const std::byte* w, int64_t panel_bytes,
                    int64_t begin, int64_t end, int64_t group, int64_t end_group, float* sums) {
  for (int64_t panel = begin; panel < end; ++panel) {
    for (int pass = 0; pass < kPasses; ++pass) {
      const std::byte* at =
          w + panel * panel_bytes + group * 256 + pass * kPassParts * sizeof(Part);
      const typename Kind::Element* input = x + group * Kind::kGroup;
      Part sum[kSums][kPassParts] = {};
      int64_t g = group;
      for (; g + kSums <= end_group; g += kSums) {
#pragma GCC unroll 4
        for (int s = 0; s < kSums; ++s) {
#pragma GCC unroll 4
          for (int line = 0; line < 4; ++line) {
            __builtin_prefetch(at + kFetchAheadBytes + s * 256 + line * 64, 0, 3);
          }
#pragma GCC unroll 8
          for (int p = 0; p < kPassParts; ++p) {
            sum[s][p] =
                Kind::MultiplyAdd(input + s * Kind::kGroup,
                                  at + s * 256 + p * static_cast<int>(sizeof(Part)), sum[s][p]);
          }
        }
        at += kSums * 256;
        input += kSums * Kind::kGroup;
      }
      for (; g < end_group; ++g) {
#pragma GCC unroll 8
        for (int p = 0; p < kPassParts; ++p) {
          sum[0][p] = Kind::MultiplyAdd(input, at + p * static_cast<int>(sizeof(Part)), sum[0][p]);
        }
        at += 256;
        input += Kind::kGroup;
      }
      float* to = sums + panel * 64 + pass * kPassParts * kPartLanes;
#pragma GCC unroll 8
      for (int p = 0; p < kPassParts; ++p) {
        Part total = sum[0][p];
#pragma GCC unroll 4
        for (int s = 1; s < kSums; ++s) total += sum[s][p];
        StorePart(to + p * kPartLanes, total);
      }
    }
  }
}

}  // namespace

const FreeMatmul kFreeMatmul = {.f32 = MultiplyPanels<F32>, .bf16 = MultiplyPanels<Bf16>};

}  // namespace tandem::cpu::TANDEM_ISA
