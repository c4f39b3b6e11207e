#include "engine/base/svg_chart.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int64_t NumOf(std::string_view part, const std::string& text) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(SvgChart, TicksAreRoundAndInside) {
  EXPECT_EQ(LinearTicks(0.0, 10.0, 6), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(LinearTicks(-1.2, 1.2, 5), (std::vector<double>{-1, -0.5, 0, 0.5, 1}));
  EXPECT_EQ(LinearTicks(95.0, 431.0, 8), (std::vector<double>{100, 150, 200, 250, 300, 350, 400}));
  EXPECT_FALSE(std::signbit(LinearTicks(-1.0, 1.0, 3)[1]));
}

TEST(SvgChart, TicksAreNeverTooMany) {
  for (const double high : {1e-300, 1e-9, 0.3, 1.0, 7.7, 12345.6, 1e300}) {
    for (int max_ticks = 2; max_ticks < 10; ++max_ticks) {
      const std::vector<double> ticks = LinearTicks(-high / 3, high, max_ticks);
      EXPECT_LE(std::ssize(ticks), max_ticks) << high;
      EXPECT_GE(std::ssize(ticks), 1) << high;
    }
  }
}

TEST(SvgChart, LogarithmicTicksArePowersOfTen) {
  EXPECT_EQ(LogarithmicTicks(0.5, 2000.0, 7), (std::vector<double>{1, 10, 100, 1000}));
  EXPECT_EQ(LogarithmicTicks(1e-8, 1e8, 7).size(), 6u);  // every third
  EXPECT_EQ(LogarithmicTicks(30.0, 900.0, 7), (std::vector<double>{50, 100, 200, 500}));
  EXPECT_EQ(LogarithmicTicks(0.9, 60.0, 7), (std::vector<double>{1, 2, 5, 10, 20, 50}));
  EXPECT_EQ(LogarithmicTicks(1.8, 4.2, 4), (std::vector<double>{2, 3, 4}));
}

TEST(SvgChart, DrawsEachSeriesWithItsColourAndName) {
  const Chart chart{.title = "loss",
                    .x_label = "step",
                    .series = {{"a", {{0, 1}, {10, 2}}}, {"b", {{0, 3}, {10, 4}}}}};
  const std::string svg = RenderSvg(chart);
  EXPECT_EQ(NumOf("<polyline", svg), 2);
  EXPECT_TRUE(Contains(svg, "<polyline class=\"series colour-0 dash-0\" points=\"64.0,"));
  EXPECT_TRUE(Contains(svg, "<polyline class=\"series colour-1 dash-0\" points=\"64.0,"));
  EXPECT_TRUE(Contains(svg, ">a</text>"));
  EXPECT_TRUE(Contains(svg, ">b</text>"));
  EXPECT_TRUE(Contains(svg, ">step</text>"));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(SvgChart, ASingleSeriesHasNoLegend) {
  EXPECT_EQ(NumOf(">alone</text>", RenderSvg({.series = {{"alone", {{0, 1}, {1, 2}}}}})), 0);
}

TEST(SvgChart, LeavesOutWhatCannotBeDrawn) {
  Chart chart{.series = {{"a", {{0, 1}, {1, kInfinity}, {2, NAN}, {3, -1}, {4, 0}, {5, 2}}}}};
  const std::string linear = RenderSvg(chart);
  chart.y_scale = Chart::Scale::kLogarithmic;
  const std::string logarithmic = RenderSvg(chart);
  const auto num_corners = [](const std::string& svg) {
    const size_t begin = svg.find("points=\"") + 8;
    return NumOf(",", svg.substr(begin, svg.find('"', begin) - begin));
  };
  EXPECT_EQ(num_corners(linear), 4);
  EXPECT_EQ(num_corners(logarithmic), 2);
  for (const std::string& svg : {linear, logarithmic}) {
    EXPECT_EQ(NumOf("nan", svg) + NumOf("inf", svg), 0) << svg;
  }
}

TEST(SvgChart, DrawsPointsThatSpanNothing) {
  for (const double y : {0.0, 5.0, -3.0, 1e-20, 1e300}) {
    for (const Chart::Scale scale : {Chart::Scale::kLinear, Chart::Scale::kLogarithmic}) {
      const std::string one = RenderSvg({.series = {{"a", {{7, y}}}}, .y_scale = scale});
      EXPECT_EQ(NumOf("nan", one) + NumOf("inf", one), 0) << one;
      EXPECT_EQ(NumOf("<circle", one) + NumOf("no data", one), 1) << one;
    }
  }
  EXPECT_TRUE(Contains(RenderSvg({}), "no data"));
}

TEST(SvgChart, DrawsPointsThatSpanAlmostNothing) {
  for (const double at : {1e-310, 1.0, 1e16, 1e299}) {
    const double next = std::nextafter(at, kInfinity);
    for (const Chart::Scale scale : {Chart::Scale::kLinear, Chart::Scale::kLogarithmic}) {
      const std::string svg =
          RenderSvg({.series = {{"a", {{at, at}, {next, next}}}}, .y_scale = scale});
      EXPECT_EQ(NumOf("nan", svg) + NumOf("inf", svg), 0) << svg;
    }
  }
}

TEST(SvgChart, DrawsPointsThatSpanEverything) {
  for (const Chart::Scale scale : {Chart::Scale::kLinear, Chart::Scale::kLogarithmic}) {
    const std::string svg =
        RenderSvg({.series = {{"a", {{0, 1e-250}, {1, 1e250}}}}, .y_scale = scale});
    EXPECT_EQ(NumOf("nan", svg) + NumOf("inf", svg), 0) << svg;
    EXPECT_EQ(NumOf("<polyline", svg), 1) << svg;
  }
}

TEST(SvgChart, KeepsTheExtremesOfManyPoints) {
  ChartSeries series{.name = "a"};
  for (int i = 0; i < 100000; ++i) series.points.push_back({static_cast<double>(i), 1.0});
  const size_t flat = RenderSvg({.series = {series}}).size();
  series.points[54321].y = 100.0;
  const std::string svg = RenderSvg({.series = {series}});
  EXPECT_LT(flat, 20000u);
  EXPECT_LT(svg.size(), 20000u);
  EXPECT_TRUE(Contains(svg, ",40.9"));  // 4 % below the top of the plot
}

TEST(SvgChart, ALogarithmicXAxisHasPowersOfTenAtEqualDistances) {
  const std::string svg = RenderSvg({.series = {{"a", {{0, 1}, {1, 1}, {100, 2}, {10000, 3}}}},
                                     .x_scale = Chart::Scale::kLogarithmic});
  // The point at 0 is left out; 100 lies in the middle of 1 and 10000.
  EXPECT_TRUE(Contains(svg, "points=\"64.0,"));
  EXPECT_TRUE(Contains(svg, " 344.0,"));
  EXPECT_TRUE(Contains(svg, " 624.0,"));
  for (const char* tick : {">1<", ">100<", ">10000<"}) EXPECT_TRUE(Contains(svg, tick));
}

TEST(SvgChart, EscapesText) {
  const std::string hostile = "</svg><script>\"&'";
  const std::string escaped = "&lt;/svg&gt;&lt;script&gt;&quot;&amp;&#39;";
  EXPECT_EQ(EscapedMarkup(hostile), escaped);
  const std::string svg = RenderSvg(
      {.title = hostile, .x_label = hostile, .series = {{hostile, {{0, 1}}}, {hostile, {}}}});
  EXPECT_EQ(NumOf("<script", svg), 0);
  EXPECT_EQ(NumOf(escaped, svg), 5);  // the title twice
}

}  // namespace
}  // namespace tandem
