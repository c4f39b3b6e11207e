#include "loadtest/report/comparison_page.h"

#include <gtest/gtest.h>

#include "loadtest/report/latency_series.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

TEST(LatencySeries, ADistributionRisesToAll) {
  LatencyHistogram histogram;
  for (const int milliseconds : {1, 2, 2, 4}) {
    histogram.Record(std::chrono::milliseconds(milliseconds));
  }
  const ChartSeries series = DistributionSeries("x", histogram);
  ASSERT_EQ(series.points.size(), 3u);
  EXPECT_EQ(series.name, "x");
  EXPECT_NEAR(series.points[1].x, 2.0, 0.01);
  EXPECT_EQ(series.points[0].y, 25.0);
  EXPECT_EQ(series.points[1].y, 75.0);
  EXPECT_EQ(series.points[2].y, 100.0);
}

TEST(LatencySeries, ADensityHasAllInItsBinsAndEndsAtTheAxis) {
  LatencyHistogram histogram;
  for (int i = 0; i < 30; ++i) histogram.Record(std::chrono::milliseconds(10));
  for (int i = 0; i < 10; ++i) histogram.Record(std::chrono::milliseconds(1000));
  const ChartSeries series = DensitySeries("x", histogram);
  ASSERT_EQ(series.points.size(), 6u) << "two bins with an empty one on either side";
  EXPECT_NEAR(series.points[1].x, 10.0, 1e-9);
  EXPECT_EQ(series.points[1].y, 75.0);
  EXPECT_NEAR(series.points[4].x, 1000.0, 1e-9);
  EXPECT_EQ(series.points[4].y, 25.0);
  for (const size_t i : {0, 2, 3, 5}) EXPECT_EQ(series.points[i].y, 0.0);
  EXPECT_TRUE(DensitySeries("none", {}).points.empty());
}

TEST(ComparisonPage, DrawsBothAndTrustsNeithersWords) {
  LoadResult a{.workload = "one", .described = {"<b>x</b>"}};
  LoadResult b{.workload = "one", .described = {"y"}};
  a.outcome.window_seconds = b.outcome.window_seconds = 10.0;
  for (int i = 1; i <= 200; ++i) {
    a.outcome.total.Add({.end = std::chrono::milliseconds(i)}, {}, {});
    b.outcome.total.Add({.end = std::chrono::milliseconds(3 * i)}, {}, {});
  }
  const std::string page =
      ComparisonPage({.name = "left<", .result = a}, {.name = "right", .result = b});
  EXPECT_TRUE(Contains(page, "e2e: percent of all, by length"));
  EXPECT_TRUE(Contains(page, "e2e: percent that took no longer"));
  EXPECT_FALSE(Contains(page, "ttft: percent")) << "neither has any";
  EXPECT_TRUE(Contains(page, "left&lt;"));
  EXPECT_FALSE(Contains(page, "<b>x"));
  EXPECT_TRUE(Contains(page, "+200.0 %"));
}

}  // namespace
}  // namespace tandem
