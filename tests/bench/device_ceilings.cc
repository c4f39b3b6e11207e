// What the device can do at most: copies, zeros, the vendor's product; and the least that a launch
// takes.

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/core/devices.h"
#include "kernels/core/error.h"
#include "kernels/quantize.h"
#include "tests/bench/bench_rows.h"
#include "tests/bench/cublas_matmul.h"
#include "tests/support/device_context.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

constexpr char kGroup[] = "ceilings";

// Of each of two buffers: far above any cache, and little of what is free.
int64_t CopyBytes(const DeviceBenchOptions& options) {
  if (options.tiny) return 1 << 16;
  const int64_t free = ReportOf(options.device).free_bytes;
  return std::min(int64_t{2} << 30, free / 4) / 256 * 256;
}

// Random bf16: zeros would let the device clock higher than any real operands do.
Tensor RandomOperand(Context& context, int64_t rows, int64_t width, uint64_t seed) {
  HostSide host(context);
  Tensor values(DType::kBf16, {rows, width});
  Convert(host, {.x = NormalTensor({rows, width}, seed), .y = values});
  return Placed(context, std::move(values));
}

// A row in us, of work on next to nothing.
void MeasureLatency(BenchRows& rows, BenchRow& row, bool recorded) {
  DeviceContext context(rows.options().device);
  const Tensor x = Placed(context, NormalTensor({1, 32}, 1));
  Tensor y = Placed(context, NormalTensor({1, 32}, 2));
  const auto add = [&] { Add(context, {.x = x.view(), .y = y.view()}); };
  DeviceTiming timing = rows.timing();
  if (recorded) timing.recorded_below_seconds = 1e9;
  row.value = 1e6 * SecondsOfCall(context, timing, recorded, [&] {
                add();
                if (!recorded) Synchronize(context);
              });
}

}  // namespace

double DeviceCeilings::MeasuredOnce(std::optional<double>& rate,
                                    void (DeviceCeilings::*measure)(BenchRow&)) {
  if (rate) return *rate;
  rate = 0;
  BenchRow row;
  try {
    (this->*measure)(row);
  } catch (const DeviceError&) {
    // Rows then have no share, and the ceiling's own, where it is wanted, says why.
  }
  return *rate;
}

double DeviceCeilings::BytesPerSecond() {
  return MeasuredOnce(bytes_per_second_, &DeviceCeilings::MeasureCopy);
}

double DeviceCeilings::MatmulFlops() {
  return MeasuredOnce(matmul_flops_, &DeviceCeilings::MeasureMatmul);
}

void DeviceCeilings::MeasureCopy(BenchRow& row) {
  const DeviceBenchOptions& options = rows_.options();
  DeviceContext context(options.device);
  const Shape shape{CopyBytes(options)};
  const Tensor from(DType::kU8, shape, options.device);
  Tensor to(DType::kU8, shape, options.device);
  const double seconds =
      SecondsOfCall(context, rows_.timing(), true, [&] { Copy(context, from.view(), to.view()); });
  bytes_per_second_ = 2 * static_cast<double>(shape[0]) / seconds;
  row.value = *bytes_per_second_ * 1e-9;
}

void DeviceCeilings::MeasureMatmul(BenchRow& row) {
  matmul_flops_ = 0;
  if (rows_.options().tiny) throw DeviceError("a tiny run does without cuBLASLt");
  constexpr int64_t kSide = 8192;
  DeviceContext context(rows_.options().device);
  const Tensor x = RandomOperand(context, kSide, kSide, 1);
  const Tensor w = RandomOperand(context, kSide, kSide, 2);
  Tensor y(DType::kBf16, {kSide, kSide}, rows_.options().device);
  const auto product = MakeCublasMatmul(context, {.x = x.view(), .w = w.view(), .y = y.view()});
  double best = 1e30;
  for (int algorithm = 0; algorithm < product->num_algorithms(); ++algorithm) {
    best = std::min(best, SecondsOfCall(context, rows_.timing(), false,
                                        [&] { product->Run(context, algorithm); }));
  }
  matmul_flops_ = 2 * static_cast<double>(kSide * kSide) * kSide / best;
  row.value = *matmul_flops_ * 1e-12;
}

void MeasureCeilingRows(BenchRows& rows, DeviceCeilings& ceilings) {
  rows.Measure({.group = kGroup, .name = "device copy, read and written", .unit = "GB/s"},
               [&](BenchRow& row) { ceilings.MeasureCopy(row); });
  rows.Measure({.group = kGroup, .name = "zeros written", .unit = "GB/s"}, [&](BenchRow& row) {
    DeviceContext context(rows.options().device);
    Tensor to(DType::kU8, {CopyBytes(rows.options())}, rows.options().device);
    const double seconds =
        SecondsOfCall(context, rows.timing(), true, [&] { FillZero(context, to); });
    row.value = static_cast<double>(to.size_bytes()) / seconds * 1e-9;
  });
  rows.Measure({.group = kGroup, .name = "matmul 8192 x 8192 -> 8192 bf16", .unit = "TFLOP/s"},
               [&](BenchRow& row) { ceilings.MeasureMatmul(row); });
  rows.Measure(
      {.group = kGroup, .name = "one small op and a wait", .unit = "us", .lower_is_better = true},
      [&](BenchRow& row) { MeasureLatency(rows, row, false); });
  rows.Measure(
      {.group = kGroup, .name = "a small op in a recording", .unit = "us", .lower_is_better = true},
      [&](BenchRow& row) { MeasureLatency(rows, row, true); });
}

}  // namespace tandem
