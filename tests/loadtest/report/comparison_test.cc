#include "loadtest/report/comparison.h"

#include <gtest/gtest.h>

#include <cmath>

#include "loadtest/random_draws.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

LatencyHistogram LogNormal(double median_ms, int count, uint64_t seed) {
  RandomDraws draws(seed);
  LatencyHistogram histogram;
  for (int i = 0; i < count; ++i) {
    const double value = median_ms * std::exp(0.5 * draws.Normal());
    histogram.Record(std::chrono::microseconds(static_cast<int64_t>(value * 1000.0)));
  }
  return histogram;
}

TEST(Comparison, ADifferenceThatIsThereIsClear) {
  const LatencyHistogram a = LogNormal(100, 2000, 1);
  const LatencyHistogram b = LogNormal(120, 2000, 2);
  for (const double share : {kMeanShare, 0.5, 0.95}) {
    const Difference difference = DifferenceOf(a, b, share, 1);
    EXPECT_TRUE(difference.IsClear()) << share;
    EXPECT_GT(difference.low, 0.0);
    EXPECT_LT(difference.low, difference.b - difference.a);
    EXPECT_GT(difference.high, difference.b - difference.a);
  }
}

// Of pairs from one distribution, 95 % of the intervals hold 0.
TEST(Comparison, IntervalsHoldAsOftenAsTheySay) {
  for (const double share : {kMeanShare, 0.5, 0.9}) {
    int num_clear = 0;
    for (uint64_t i = 0; i < 100; ++i) {
      const Difference difference =
          DifferenceOf(LogNormal(100, 500, 2 * i), LogNormal(100, 500, 2 * i + 1), share, i);
      num_clear += difference.IsClear() ? 1 : 0;
    }
    EXPECT_LE(num_clear, 12) << share;  // 5 are expected; the seeds are fixed
  }
}

TEST(Comparison, TheTableHasBothSidesAndSaysWhatDiffers) {
  LoadResult a{.workload = "one", .described = {"x"}};
  LoadResult b{.workload = "two", .described = {"y"}};
  a.outcome.window_seconds = b.outcome.window_seconds = 10.0;
  for (int i = 1; i <= 200; ++i) {
    a.outcome.total.Add({.end = std::chrono::milliseconds(i)}, {}, {});
    b.outcome.total.Add({.end = std::chrono::milliseconds(3 * i)}, {}, {});
  }
  const std::string table = ComparisonTable(a, b, Styler(Styler::Colour::kOff));
  EXPECT_TRUE(Contains(table, "the workloads differ"));
  EXPECT_TRUE(Contains(table, "requests/s              20.00      20.00     +0.0 %"));
  EXPECT_TRUE(Contains(table, "+200.0 %"));
  EXPECT_TRUE(Contains(table, "higher"));
}

}  // namespace
}  // namespace tandem
