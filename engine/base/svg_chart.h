#pragma once
// Line charts as SVG, for pages that need no script: axes with round ticks, several series, a
// legend. Pure functions.
//
// The SVG stands in an HTML page that has ChartStyle() in its style sheet; colours follow the
// reader's preference for light or dark.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct ChartPoint {
  double x = 0.0;
  double y = 0.0;
};

struct ChartSeries {
  std::string name;
  // x ascends. Points that are not finite, or not positive where a scale is logarithmic, are left
  // out.
  std::vector<ChartPoint> points;
};

struct Chart {
  enum class Scale : uint8_t { kLinear, kLogarithmic };

  std::string title;
  std::string x_label;
  std::vector<ChartSeries> series;
  Scale x_scale = Scale::kLinear;
  Scale y_scale = Scale::kLinear;
};

// All text is escaped. Of many points, each column of pixels keeps the lowest and the highest.
std::string RenderSvg(const Chart& chart);
// CSS for charts and for a page around them: variables --ink, --paper, --grid, --series-0...
std::string_view ChartStyle();

// `text` where HTML or XML expects text or an attribute's value in quotes.
std::string EscapedMarkup(std::string_view text);

// Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, at most `max_ticks`. Both are
// finite, low < high.
std::vector<double> LinearTicks(double low, double high, int max_ticks);
// The same for a logarithmic axis, 0 < low: powers of ten; where there are few, 1, 2 and 5 times
// them; or linear ticks.
std::vector<double> LogarithmicTicks(double low, double high, int max_ticks);

}  // namespace tandem
