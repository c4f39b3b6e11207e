// Ops of the op table at sizes that fill a device (OpUse::kDeviceBench), beside its ceilings; and
// our products beside the vendor's, which may add in any order.

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/core/error.h"
#include "tests/bench/bench_rows.h"
#include "tests/bench/cublas_matmul.h"
#include "tests/support/device_context.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

constexpr int64_t kColdBytes = 192 << 20;  // nearly four times what the L2 of an H100 holds
constexpr int64_t kMostCopies = 16;

std::vector<OpCase> DeviceCases(const DeviceBenchOptions& options) {
  return OpCases(options.tiny ? OpUse::kDeviceTiny : OpUse::kDeviceBench);
}

// How many of the same operands, one after the other, so that each use finds them in memory.
int64_t NumCopies(const OpCase& op, bool tiny) {
  if (!op.device.cold) return 1;
  if (tiny) return 2;
  return std::clamp<int64_t>((kColdBytes + op.bytes - 1) / op.bytes, 1, kMostCopies);
}

double SecondsOfOp(BenchRows& rows, const OpCase& op) {
  DeviceContext context(rows.options().device);
  std::vector<std::unique_ptr<OpRun>> copies;
  for (int64_t i = 0; i < NumCopies(op, rows.options().tiny); ++i) {
    copies.push_back(op.prepare(context));
  }
  Synchronize(context);
  size_t next = 0;
  return SecondsOfCall(context, rows.timing(), op.device.can_be_recorded, [&] {
    copies[next]->Run(context);
    next = (next + 1) % copies.size();
  });
}

BenchRow RowOf(const OpCase& op) {
  BenchRow row{.group = "ops", .name = op.Label()};
  if (op.device.must > 0) row.must = op.device.must;
  if (op.device.aim > 0) row.aim = op.device.aim;
  switch (op.device.rate) {
    case DeviceRate::kBytes:
      row.unit = "GB/s";
      row.bound = "bandwidth";
      row.goal_is_share = true;
      break;
    case DeviceRate::kProducts:
      row.unit = "TFLOP/s";
      row.bound = op.unit == OpUnit::kI8 ? "" : "matmul";  // there is no ceiling of int8
      break;
    case DeviceRate::kTime:
      row.unit = "us";
      row.lower_is_better = true;
      break;
  }
  return row;
}

void FillIn(const OpCase& op, double seconds, DeviceCeilings& ceilings, BenchRow& row) {
  double ceiling = 0, rate = 0;
  switch (op.device.rate) {
    case DeviceRate::kBytes:
      rate = static_cast<double>(op.bytes) / seconds;
      ceiling = ceilings.BytesPerSecond();
      row.value = rate * 1e-9;
      break;
    case DeviceRate::kProducts:
      rate = static_cast<double>(op.device.product_flops) / seconds;
      ceiling = row.bound.empty() ? 0 : ceilings.MatmulFlops();
      row.value = rate * 1e-12;
      break;
    case DeviceRate::kTime:
      row.value = seconds * 1e6;
      break;
  }
  if (ceiling > 0) row.share = rate / ceiling;
}

// Of the fastest of cuBLASLt's own proposals, in the layout that it likes best.
double SecondsOfCublas(BenchRows& rows, const MatmulShape& shape) {
  if (rows.options().tiny) throw DeviceError("a tiny run does without cuBLASLt");
  DeviceContext context(rows.options().device);
  const MatmulOperand x =
      MakeMatmulOperand(context, RandomTensor({shape.tokens, shape.k}, 2), DType::kBf16);
  const MatmulOperand w =
      MakeMatmulOperand(context, RandomTensor({shape.n, shape.k}, 1), DType::kBf16);
  const Tensor device_x = Placed(context, x.x.Clone()), device_w = Placed(context, w.x.Clone());
  Tensor y(DType::kF32, {shape.tokens, shape.n}, rows.options().device);
  const auto product =
      MakeCublasMatmul(context, {.x = device_x.view(), .w = device_w.view(), .y = y.view()});
  double best = 1e30;
  for (int algorithm = 0; algorithm < product->num_algorithms(); ++algorithm) {
    best = std::min(best, SecondsOfCall(context, rows.timing(), true,
                                        [&] { product->Run(context, algorithm); }));
  }
  return best;
}

}  // namespace

void MeasureOpRows(BenchRows& rows, DeviceCeilings& ceilings) {
  for (const OpCase& op : DeviceCases(rows.options())) {
    rows.Measure(RowOf(op),
                 [&](BenchRow& row) { FillIn(op, SecondsOfOp(rows, op), ceilings, row); });
  }
}

void MeasureInvariancePrice(BenchRows& rows) {
  for (const int64_t tokens : {1, 16, 64, 256, 1024, 16384}) {
    for (const auto& [k, n] : std::vector<std::pair<int64_t, int64_t>>{
             {512, 2816}, {1408, 512}, {768, 4096}, {2048, 768}}) {
      const MatmulShape shape{tokens, k, n, DType::kBf16};
      const std::string name = "matmul " + Times({tokens, k}) + " -> " + std::to_string(n) +
                               " bf16, time over cuBLASLt's";
      rows.Measure({.group = "invariance price",
                    .name = name,
                    .unit = "x",
                    .must = 1 / 0.95,
                    .aim = 1 / 0.98,
                    .lower_is_better = true},
                   [&](BenchRow& row) {
                     const double theirs = SecondsOfCublas(rows, shape);
                     DeviceContext context(rows.options().device);
                     MatmulOp ours(context, shape);
                     row.value =
                         SecondsOfCall(context, rows.timing(), true, [&] { ours.Run(context); }) /
                         theirs;
                   });
    }
  }
}

}  // namespace tandem
