#include "kernels/quantize.h"

#include <algorithm>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/quantize_rows.h"
#include "kernels/device_ops.h"

namespace tandem {
namespace {

// A thread takes at least this many elements, so that a decode step's few rows stay on the caller.
constexpr int64_t kMinShare = 16 << 10;

int64_t Grain(int64_t elements_per_item) {
  return kMinShare / std::max(elements_per_item, int64_t{1}) + 1;
}

}  // namespace

void QuantizeRows(Context& context, const QuantizeRowsArgs& args) {
  Dim num_rows{"rows"};
  Dim width{"width"};
  ShapeCheck check("QuantizeRows");
  check.Match("x", args.x, {num_rows, width}).Type("x", args.x, {DType::kF32});
  check.Match("y", args.y, {num_rows, width}).Type("y", args.y, {DType::kI8});
  check.Match("scales", args.scales, {num_rows}).Type("scales", args.scales, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::quantize_rows, "QuantizeRows", args)) return;

  const cpu::RowConversions& rows = cpu::RowConversionsFor(context.isa);
  const float* x = args.x.data<float>();
  auto* y = args.y.data<int8_t>();
  auto* scales = args.scales.data<float>();
  context.pool.ForRanges(num_rows, Grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      scales[row] = rows.quantize(x + row * width, width, y + row * width);
    }
  });
}

void Convert(Context& context, const ConvertArgs& args) {
  CHECK(args.x.shape() == args.y.shape(), args.x.shape(), args.y.shape());
  ShapeCheck check("Convert");
  check.Type("x", args.x, {DType::kF32, DType::kBf16, DType::kF16});
  check.Type("y", args.y, {DType::kF32, DType::kBf16, DType::kF16});
  if (RunOnDevice(context, &DeviceOps::convert, "Convert", args)) return;

  const cpu::RowConversions& rows = cpu::RowConversionsFor(context.isa);
  const int64_t x_size = SizeOf(args.x.dtype());
  const int64_t y_size = SizeOf(args.y.dtype());
  context.pool.ForRanges(args.x.num_elements(), kMinShare, [&](int64_t begin, int64_t end) {
    rows.convert(args.x.bytes() + begin * x_size, args.x.dtype(), args.y.bytes() + begin * y_size,
                 args.y.dtype(), end - begin);
  });
}

}  // namespace tandem
