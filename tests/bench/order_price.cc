// The price of the fixed order: each op beside a version of it that is free of the order, in
// alternating pairs.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "kernels/core/error.h"
#include "tests/bench/free_runs.h"
#include "tests/bench/ops_bench.h"
#include "tests/bench/timing.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"
#include "tests/support/tolerances.h"

namespace tandem {
namespace {

constexpr double kSampleSeconds = 5e-4;

std::vector<std::vector<double>> OutputsAsDoubles(const OpRun& run) {
  std::vector<std::vector<double>> values;
  for (const ConstTensorView& output : run.Outputs()) values.push_back(ToDoubles(output));
  return values;
}

// Throws unless the free version computes the same thing. Both round, so twice the tolerance.
void CheckAgreement(Context& context, const OpCase& op, OpRun& run, const FreeVersion& free) {
  run.Reset();
  run.Run(context);
  const std::vector<std::vector<double>> want = OutputsAsDoubles(run);
  run.Reset();
  free.free(context);
  for (size_t i = 0; i < want.size(); ++i) {
    const ConstTensorView got = run.Outputs()[i];
    const DType of =
        got.dtype() == DType::kF32 && op.tolerance != DType::kI32 ? op.tolerance : got.dtype();
    const std::string difference = Difference(got, want[i], 2 * OpTolerance(of));
    CHECK(difference.empty(), op.Label(), free.freedom, difference);
  }
}

template <typename Body>
double SecondsOfCalls(int64_t calls, Body&& body) {
  return SecondsOf([&] {
           for (int64_t i = 0; i < calls; ++i) body();
         }) /
         static_cast<double>(calls);
}

void PrintPrice(Context& context, const OpCase& op, OpRun& run, const FreeVersion& free,
                int repeats) {
  CheckAgreement(context, op, run, free);
  const auto fixed_once = [&] {
    if (free.fixed) {
      free.fixed(context);
    } else {
      run.Run(context);
    }
  };
  const auto free_once = [&] { free.free(context); };
  const double once = SecondsOfCalls(3, fixed_once);
  const auto calls = std::clamp<int64_t>(static_cast<int64_t>(kSampleSeconds / once), 1, 100000);
  std::vector<double> fixed_seconds, free_seconds, ratios;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    double fixed = 0, freely = 0;
    if (repeat % 2 == 0) fixed = SecondsOfCalls(calls, fixed_once);
    freely = SecondsOfCalls(calls, free_once);
    if (repeat % 2 == 1) fixed = SecondsOfCalls(calls, fixed_once);
    fixed_seconds.push_back(fixed);
    free_seconds.push_back(freely);
    ratios.push_back(fixed / freely);
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("%-18s %-28s %-6s %-24s %9.2f %9.2f %7.2f  %5.2f .. %.2f\n", op.op.c_str(),
              op.shape.c_str(), op.dtype.c_str(), free.freedom.c_str(), Median(fixed_seconds) * 1e6,
              Median(free_seconds) * 1e6, Median(ratios), ratios[ratios.size() / 4],
              ratios[ratios.size() * 3 / 4]);
  std::fflush(stdout);
}

}  // namespace

void RunOrderPrice(const OpsBenchOptions& options) {
  OpContext context(options.isa, options.num_threads);
  std::printf("price of the fixed order on %s, %d threads: medians of %d alternating pairs\n",
              std::string(Name(options.isa)).c_str(), options.num_threads, options.repeats);
  std::printf("%-18s %-28s %-6s %-24s %9s %9s %7s  %s\n", "op", "shape", "dtype",
              "what the free one does", "fixed us", "free us", "ratio", "quartiles");
  int num_rows = 0;
  for (const OpCase& op : OpCases(OpUse::kBench)) {
    if (op.Label().find(options.filter) == std::string::npos) continue;
    const std::unique_ptr<OpRun> run = op.prepare(context);
    for (const FreeVersion& free : FreeVersionsOf(*run)) {
      PrintPrice(context, op, *run, free, options.repeats);
      ++num_rows;
    }
  }
  if (num_rows == 0)
    throw ConfigError("no op with a free version matches '" + options.filter + "'");
}

}  // namespace tandem
