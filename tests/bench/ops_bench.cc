#include "tests/bench/ops_bench.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "kernels/core/error.h"
#include "tests/bench/ceilings.h"
#include "tests/bench/timing.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

constexpr double kSampleSeconds = 1e-3;  // long enough for the clock and a wake-up of the pool

// A row of the table on its way: operands stay, so that rounds can alternate between rows.
struct Timed {
  const OpCase* op;
  std::unique_ptr<OpRun> run;
  int64_t calls = 1;            // in one sample
  std::vector<double> seconds;  // of a call

  double Sample(Context& context) {
    run->Run(context);  // what the other rows pushed out of the caches
    return SecondsOf([&] {
             for (int64_t i = 0; i < calls; ++i) run->Run(context);
           }) /
           static_cast<double>(calls);
  }
};

void PrintCeilings(const Ceilings& ceilings) {
  std::printf("ceilings: GB/s of reads at a working set of");
  for (const Ceilings::Memory& level : ceilings.memory) {
    const auto kib = static_cast<long long>(level.working_set_bytes >> 10);
    std::printf(" %lld%s %.0f,", kib < 4096 ? kib : kib / 1024, kib < 4096 ? "K" : "M",
                level.bytes_per_second * 1e-9);
  }
  std::printf("\n          GFLOP/s f32 %.0f, bf16 on vectors %.0f, bf16 %.0f, i8 %.0f\n",
              ceilings.f32_flops * 1e-9, ceilings.bf16_vector_flops * 1e-9,
              ceilings.bf16_flops * 1e-9, ceilings.i8_flops * 1e-9);
}

void PrintRow(const OpCase& op, double seconds, const Ceilings& ceilings) {
  const double at_memory =
      static_cast<double>(op.bytes) / ceilings.BytesPerSecond(op.bytes - op.in_place_bytes);
  const double at_unit = static_cast<double>(op.flops) / ceilings.Flops(op.unit);
  std::printf("%-18s %-30s %-19s %10.2f %8.1f %9.1f %6.0f %% %s\n", op.op.c_str(), op.shape.c_str(),
              op.dtype.c_str(), seconds * 1e6, static_cast<double>(op.bytes) / seconds * 1e-9,
              static_cast<double>(op.flops) / seconds * 1e-9,
              100 * std::max(at_memory, at_unit) / seconds,
              at_memory > at_unit ? "memory" : "compute");
}

}  // namespace

void RunOpsBench(const OpsBenchOptions& options) {
  std::vector<OpCase> cases = OpCases(OpUse::kBench);
  std::erase_if(
      cases, [&](const OpCase& c) { return c.Label().find(options.filter) == std::string::npos; });
  if (cases.empty()) throw ConfigError("no op matches '" + options.filter + "'");
  OpContext context(options.isa, options.num_threads);
  Ceilings ceilings = MeasureCeilings(context);

  std::vector<Timed> rows;
  for (const OpCase& op : cases) {
    Timed& row = rows.emplace_back(Timed{.op = &op, .run = op.prepare(context)});
    row.Sample(context);
    row.calls =
        std::clamp<int64_t>(static_cast<int64_t>(kSampleSeconds / row.Sample(context)), 1, 100000);
  }
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    for (Timed& row : rows) row.seconds.push_back(row.Sample(context));
  }

  ceilings = Highest(ceilings, MeasureCeilings(context));

  std::printf("ops on %s, %d threads: medians of %d alternating runs, operands in cache\n",
              std::string(Name(options.isa)).c_str(), options.num_threads, options.repeats);
  PrintCeilings(ceilings);
  std::printf("%-18s %-30s %-19s %10s %8s %9s %8s %s\n", "op", "shape", "dtype", "us", "GB/s",
              "GFLOP/s", "of peak", "bound by");
  for (const Timed& row : rows) PrintRow(*row.op, Median(row.seconds), ceilings);
}

}  // namespace tandem
