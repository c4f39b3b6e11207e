#include "loadtest/report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/base/printable.h"
#include "loadtest/random_draws.h"

namespace tandem {
namespace {

constexpr int kNumDraws = 2000;

// A histogram that is asked for many quantiles.
class Resampler {
 public:
  Resampler(const LatencyHistogram& histogram, double share)
      : histogram_(histogram),
        share_(share),
        deviation_(histogram.deviation_microseconds()),
        buckets_(histogram.Buckets()) {
    int64_t seen = 0;
    for (const LatencyHistogram::Bucket& bucket : buckets_)
      num_up_to_.push_back(seen += bucket.count);
  }

  // The statistic of one resampling, in milliseconds.
  double Draw(RandomDraws& draws) const {
    const auto count = static_cast<double>(histogram_.count());
    if (share_ == kMeanShare) {
      const double error = deviation_ / std::sqrt(count);
      return (histogram_.mean_microseconds() + error * draws.Normal()) / 1000.0;
    }
    const double rank = std::clamp(std::ceil(share_ * count - 1e-9 * count), 1.0, count);
    const double x = draws.Gamma(rank);
    const double y = draws.Gamma(count + 1.0 - rank);
    const auto drawn = static_cast<int64_t>(std::ceil(x / (x + y) * count));
    const auto at = std::ranges::lower_bound(num_up_to_, std::min(drawn, histogram_.count()));
    return static_cast<double>(buckets_[static_cast<size_t>(at - num_up_to_.begin())].middle) /
           1000.0;
  }

 private:
  const LatencyHistogram& histogram_;
  const double share_;
  const double deviation_;  // microseconds
  const std::vector<LatencyHistogram::Bucket> buckets_;
  std::vector<int64_t> num_up_to_;  // by bucket, itself included
};

double Exact(const LatencyHistogram& histogram, double share) {
  return share == kMeanShare ? histogram.mean_microseconds() / 1000.0
                             : static_cast<double>(histogram.Quantile(share)) / 1000.0;
}

std::string LatencyRow(const std::string& name, const Difference& difference, const Styler& style) {
  const double change = difference.b - difference.a;
  const std::string percent =
      difference.a > 0.0 ? fmt::format("{:+.1f} %", 100.0 * change / difference.a) : "";
  const std::string verdict = !difference.IsClear() ? "" : change < 0.0 ? "lower" : "higher";
  return fmt::format("{:<18}{:>11.2f}{:>11.2f}{:>11}   {:>9.2f} to {:<9.2f}", name, difference.a,
                     difference.b, percent, difference.low, difference.high) +
         style(change < 0.0 ? Style::kGreen : Style::kRed, verdict) + "\n";
}

std::string RateRow(std::string_view name, double a, double b) {
  return fmt::format("{:<18}{:>11.2f}{:>11.2f}{:>11}\n", name, a, b,
                     a > 0.0 ? fmt::format("{:+.1f} %", 100.0 * (b - a) / a) : "");
}

std::string Rates(const LoadResult& a, const LoadResult& b) {
  const auto row = [&](std::string_view name, auto value) {
    return RateRow(name, value(a.outcome), value(b.outcome));
  };
  return row("requests/s", [](const RunOutcome& run) { return run.completed_per_second(); }) +
         row("tokens/s in",
             [](const RunOutcome& run) { return run.PerSecond(run.total.num_input_tokens()); }) +
         row("tokens/s out",
             [](const RunOutcome& run) { return run.PerSecond(run.total.num_output_tokens()); }) +
         row("good, %", [](const RunOutcome& run) { return 100.0 * run.total.good_share(); }) +
         row("errors, %", [](const RunOutcome& run) { return 100.0 * run.total.error_share(); }) +
         row("client, % of core",
             [](const RunOutcome& run) { return 100.0 * run.client_peak_cpu_share; });
}

std::string Head(std::string_view name, const LoadResult& result) {
  return fmt::format("{:<18}{} at {}, {} {}\n", name, Printable(result.workload),
                     Printable(result.started), Printable(result.url),
                     Printable(result.server.version));
}

}  // namespace

Difference DifferenceOf(const LatencyHistogram& a, const LatencyHistogram& b, double share,
                        uint64_t seed) {
  RandomDraws draws(seed);
  const Resampler left(a, share);
  const Resampler right(b, share);
  std::vector<double> differences;
  for (int i = 0; i < kNumDraws; ++i) {
    const double drawn_b = right.Draw(draws);
    differences.push_back(drawn_b - left.Draw(draws));
  }
  std::ranges::sort(differences);
  return {.a = Exact(a, share),
          .b = Exact(b, share),
          .low = differences[kNumDraws / 40],
          .high = differences[kNumDraws - 1 - kNumDraws / 40]};
}

std::string ComparisonTable(const LoadResult& a, const LoadResult& b, const Styler& style) {
  std::string table = Head("A", a) + Head("B", b);
  if (a.described != b.described) {
    table += style(Style::kYellow, "warning: ") +
             "the workloads differ, and so may everything for that reason\n";
  }
  table +=
      "\n" + style(Style::kBold, fmt::format("{:<18}{:>11}{:>11}{:>11}", "", "A", "B", "B - A"));
  table += "\n" + Rates(a, b) + "\n";
  table += style(Style::kBold, fmt::format("{:<18}{:>11}{:>11}{:>11}   {}", "milliseconds", "A",
                                           "B", "B - A", "95 % interval of B - A")) +
           "\n";
  struct Column {
    const char* name;
    double share;
  };
  for (const Metric metric : kMetrics) {
    const LatencyHistogram& left = a.outcome.total.of(metric);
    const LatencyHistogram& right = b.outcome.total.of(metric);
    if (left.count() == 0 || right.count() == 0) continue;
    for (const auto& [name, share] :
         {Column{"mean", kMeanShare}, Column{"p50", 0.5}, Column{"p90", 0.9}, Column{"p95", 0.95},
          Column{"p99", 0.99}}) {
      table += LatencyRow(fmt::format("{} {}", Name(metric), name),
                          DifferenceOf(left, right, share, 1), style);
    }
  }
  return table +
         "\nThe intervals are a bootstrap over requests; requests of one run depend on each other, "
         "so compare\nseveral runs before believing a small difference.\n";
}

}  // namespace tandem
