// Matmul kernels in the compiler's own vectors: any machine. Tiles are two rows by sixteen columns,
// which fills the sixteen 128-bit registers of baseline x86-64 and of AArch64's half.

#include "kernels/cpu/matmul_tile.h"
#include "kernels/cpu/vec.h"

namespace tandem::cpu {
namespace {

template <typename Vector>
Vector LoadRaw(const std::byte* p) {
  Vector v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

struct PortableBase {
  using Floats = F32x16;
  static constexpr int kLanes = 16;
  static constexpr int kMaxRows = 2;
  static constexpr int Vectors(int) { return 1; }

  TANDEM_INLINE Floats Add(Floats a, Floats b) { return a + b; }
  TANDEM_INLINE Floats LoadFloats(const float* p) { return Load(p); }
  TANDEM_INLINE Floats LoadSome(const float* p, int64_t count) {
    Floats v = Splat(0.0f);
    std::memcpy(&v, p, static_cast<size_t>(count) * sizeof(float));
    return v;
  }
  TANDEM_INLINE void StoreFloats(float* p, Floats v) { Store(p, v); }
  TANDEM_INLINE void StoreSome(float* p, Floats v, int64_t count) {
    std::memcpy(p, &v, static_cast<size_t>(count) * sizeof(float));
  }
};

// Products and sums in f32; subclasses say how weights become f32.
struct PortableFloat : PortableBase {
  using Accumulator = F32x16;
  using Weights = F32x16;
  using Input = F32x16;
  static constexpr int kPhases = 1;

  TANDEM_INLINE Accumulator Zero() { return Splat(0.0f); }
  TANDEM_INLINE Input Broadcast(const std::byte* p) {
    float value;
    std::memcpy(&value, p, sizeof(value));
    return Splat(value);
  }
  TANDEM_INLINE Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) { return sum + w * x; }
  TANDEM_INLINE Floats Finish(Accumulator sum, const MatmulOperands&, int64_t, int64_t) {
    return sum;
  }
};

struct PortableF32 : PortableFloat {
  static constexpr int kColumnBytes = 4;
  template <int kPhase>
  TANDEM_INLINE Weights LoadWeights(const std::byte* p) {
    return LoadRaw<F32x16>(p);
  }
};

struct PortableF16 : PortableFloat {
  static constexpr int kColumnBytes = 2;
  template <int kPhase>
  TANDEM_INLINE Weights LoadWeights(const std::byte* p) {
    return WidenF16(LoadHalves(p));
  }
};

struct PortableBf16 : PortableFloat {
  static constexpr int kColumnBytes = 4;
  static constexpr int kPhases = 2;
  template <int kPhase>
  TANDEM_INLINE Weights LoadWeights(const std::byte* p) {
    const U32x16 pair = LoadRaw<U32x16>(p);
    return BitCast<float>(kPhase == 0 ? (pair & 0xffff0000u) : (pair << 16));
  }
};

struct I16Pair {
  I32x16 low;
  I32x16 high;
};

// Two of a group's four weights in each phase: (0, 2), then (1, 3).
struct PortableI8 : PortableBase {
  using Accumulator = I32x16;
  using Weights = I16Pair;
  using Input = I16Pair;
  static constexpr int kPhases = 2;
  static constexpr int kColumnBytes = 4;

  TANDEM_INLINE Accumulator Zero() { return I32x16(0); }
  template <int kPhase>
  TANDEM_INLINE Weights LoadWeights(const std::byte* p) {
    const I32x16 four = LoadRaw<I32x16>(p);
    return {(four << (24 - 8 * kPhase)) >> 24, (four << (8 - 8 * kPhase)) >> 24};
  }
  TANDEM_INLINE Input Broadcast(const std::byte* p) {
    int16_t pair[2];
    std::memcpy(pair, p, sizeof(pair));
    return {I32x16(int32_t{pair[0]}), I32x16(int32_t{pair[1]})};
  }
  TANDEM_INLINE Accumulator MultiplyAdd(Accumulator sum, Weights w, Input x) {
    return sum + w.low * x.low + w.high * x.high;
  }
  TANDEM_INLINE Floats Finish(Accumulator sum, const MatmulOperands& operands, int64_t row,
                              int64_t column) {
    return Convert<float>(sum) * operands.x_scales[row] * Load(operands.w_scales + column);
  }
};

}  // namespace

const MatmulKernels kPortableMatmul{
    .f32 = {InputForm::kPlain, 1, 2, 0.5, RunTiles<PortableF32>},
    .f16 = {InputForm::kPlain, 1, 2, 0.5, RunTiles<PortableF16>},
    .bf16 = {InputForm::kSwappedF32, 2, 2, 0.5, RunTiles<PortableBf16>},
    .i8 = {InputForm::kSplitI16, 4, 2, 0.5, RunTiles<PortableI8>},
};

}  // namespace tandem::cpu
