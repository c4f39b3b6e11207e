#include "kernels/dropout.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/core/check.h"
#include "kernels/core/random.h"
#include "kernels/device_ops.h"

namespace tandem {
namespace {

constexpr int64_t kBlock = 256;  // elements whose factors are made at once

template <typename T>
void DropOutRange(const DropOutArgs& args, int64_t begin, int64_t end) {
  std::array<float, kBlock> factors;
  const T* x = args.x.data<T>();
  T* y = args.y.data<T>();
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t count = std::min(kBlock, end - first);
    args.mask.Fill(static_cast<uint64_t>(first), count, factors.data());
    for (int64_t i = 0; i < count; ++i) {
      const float dropped = static_cast<float>(x[first + i]) * factors[static_cast<size_t>(i)];
      const bool adds = args.output == DropoutOutput::kAdd;
      y[first + i] = T(adds ? static_cast<float>(y[first + i]) + dropped : dropped);
    }
  }
}

}  // namespace

// The numbers of a place are those of a seed of its own.
DropoutMask::DropoutMask(const Dropout& dropout, DropoutPlace place, int64_t layer, int64_t index)
    : fields_{.threshold = static_cast<uint64_t>(std::llround(dropout.share * 0x1p32)),
              .factor = static_cast<float>(1.0 / (1.0 - dropout.share))} {
  CHECK(dropout.share >= 0.0 && dropout.share < 1.0, dropout.share);
  const auto of_layer = static_cast<uint64_t>(layer) << 32;
  const uint32_t number = static_cast<uint32_t>(place) + static_cast<uint32_t>(index);
  const auto step = RandomBits({.seed = dropout.seed,
                                .choice = dropout.micro_batch,
                                .position = dropout.step,
                                .purpose = RandomPurpose::kDropout});
  const auto own = RandomBits({.seed = (uint64_t{step[0]} << 32) | step[1],
                               .choice = step[2],
                               .position = of_layer | number,
                               .purpose = RandomPurpose::kDropout});
  fields_.seed = (uint64_t{own[0]} << 32) | own[1];
}

void DropoutMask::Fill(uint64_t first, int64_t count, float* factors) const {
  std::array<uint32_t, 4> bits{};
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t element = first + static_cast<uint64_t>(i);
    if (i == 0 || element % 4 == 0) {
      bits = RandomBits(
          {.seed = fields_.seed, .position = element / 4, .purpose = RandomPurpose::kDropout});
    }
    factors[i] = bits[element % 4] < fields_.threshold ? 0.0f : fields_.factor;
  }
}

void DropOut(Context& context, const DropOutArgs& args) {
  CHECK(args.x.shape() == args.y.shape(), args.x.shape(), args.y.shape());
  CHECK(args.x.dtype() == args.y.dtype(), Name(args.x.dtype()), Name(args.y.dtype()));
  CHECK(args.x.dtype() == DType::kF32 ||
            (args.x.dtype() == DType::kBf16 && args.output == DropoutOutput::kStore),
        Name(args.x.dtype()));
  if (RunOnDevice(context, &DeviceOps::drop_out, "DropOut", args)) return;
  context.pool.ForRanges(args.x.num_elements(), 4096, [&](int64_t begin, int64_t end) {
    if (args.x.dtype() == DType::kF32) {
      DropOutRange<float>(args, begin, end);
    } else {
      DropOutRange<BFloat16>(args, begin, end);
    }
  });
}

}  // namespace tandem
