#include "engine/base/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tandem {
namespace {

// In pixels of the drawing, which scales with the page.
constexpr double kWidth = 640;
constexpr double kPlotLeft = 64;
constexpr double kPlotRight = kWidth - 16;
constexpr double kPlotTop = 32;
constexpr double kPlotBottom = 272;
constexpr double kLegendTop = 324;
constexpr double kLegendRow = 18;

constexpr int kMaxXTicks = 8;
constexpr int kMaxYTicks = 7;
constexpr size_t kNumColours = 6;
constexpr size_t kNumDashes = 3;  // further series have the same colours in other dashes

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  bool IsEmpty() const { return low > high; }
  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// Values to pixels, through the logarithm or not.
class Axis {
 public:
  Axis(Range values, Range pixels, Chart::Scale scale)
      : values_(values), pixels_(pixels), scale_(scale) {}

  double At(double value) const {
    const double share =
        (Scaled(value) - Scaled(values_.low)) / (Scaled(values_.high) - Scaled(values_.low));
    return pixels_.low + share * (pixels_.high - pixels_.low);
  }
  std::vector<double> Ticks(int max_ticks) const {
    return scale_ == Chart::Scale::kLinear ? LinearTicks(values_.low, values_.high, max_ticks)
                                           : LogarithmicTicks(values_.low, values_.high, max_ticks);
  }

 private:
  double Scaled(double value) const {
    return scale_ == Chart::Scale::kLinear ? value : std::log10(value);
  }

  Range values_;
  Range pixels_;  // of y the other way round: pixels count downward
  Chart::Scale scale_;
};

bool IsDrawn(double value, Chart::Scale scale) {
  // A range of values near the largest double, or its padding, would overflow.
  constexpr double kLargest = 1e250;
  if (!(std::abs(value) <= kLargest)) return false;
  return scale == Chart::Scale::kLinear || value >= 1.0 / kLargest;
}

bool IsDrawn(ChartPoint point, const Chart& chart) {
  return IsDrawn(point.x, chart.x_scale) && IsDrawn(point.y, chart.y_scale);
}

// Values that differ by less have the same pixels, or no numbers between them.
bool SpansNothing(Range range) {
  const double largest = std::max(std::abs(range.low), std::abs(range.high));
  return range.high - range.low <= std::max(1e-9 * largest, 1e-300);
}

// Room around the values; a single value gets some too.
Range Padded(Range range, Chart::Scale scale) {
  const bool spans_nothing = SpansNothing(range);
  if (scale == Chart::Scale::kLogarithmic) {
    const double decades = std::log10(range.high) - std::log10(range.low);
    const double factor = spans_nothing ? 2.0 : std::pow(10.0, 0.04 * decades);
    return {range.low / factor, range.high * factor};
  }
  double room = spans_nothing ? 0.1 * std::abs(range.high) : 0.04 * (range.high - range.low);
  if (room < 1e-290) room = 1.0;
  return {range.low - room, range.high + room};
}

std::string Line(ChartPoint from, ChartPoint to, std::string_view style) {
  return fmt::format(
      "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", style,
      from.x, from.y, to.x, to.y);
}

std::string Text(ChartPoint at, std::string_view style, std::string_view text) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", style, at.x, at.y,
                     EscapedMarkup(text));
}

std::string SeriesStyle(size_t index) {
  return fmt::format("series colour-{} dash-{}", index % kNumColours,
                     index / kNumColours % kNumDashes);
}

// The points of one series in pixels; of those in one column of pixels, the lowest and the highest
// in their order.
std::vector<ChartPoint> Thinned(const std::vector<ChartPoint>& points) {
  std::vector<ChartPoint> kept;
  for (size_t first = 0; first < points.size();) {
    size_t end = first;
    size_t low = first;
    size_t high = first;
    for (; end < points.size() && std::floor(points[end].x) == std::floor(points[first].x); ++end) {
      if (points[end].y < points[low].y) low = end;
      if (points[end].y > points[high].y) high = end;
    }
    kept.push_back(points[std::min(low, high)]);
    if (low != high) kept.push_back(points[std::max(low, high)]);
    first = end;
  }
  return kept;
}

std::string DrawSeries(const Chart& chart, size_t index, const Axis& x, const Axis& y) {
  std::vector<ChartPoint> pixels;
  for (const ChartPoint& point : chart.series[index].points) {
    if (IsDrawn(point, chart)) pixels.push_back({x.At(point.x), y.At(point.y)});
  }
  pixels = Thinned(pixels);
  if (pixels.size() == 1) {
    return fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n",
                       SeriesStyle(index), pixels[0].x, pixels[0].y);
  }
  std::string corners;
  for (const ChartPoint& point : pixels) {
    corners += fmt::format("{}{:.1f},{:.1f}", corners.empty() ? "" : " ", point.x, point.y);
  }
  if (corners.empty()) return "";
  return fmt::format("<polyline class=\"{}\" points=\"{}\"/>\n", SeriesStyle(index), corners);
}

std::string DrawAxes(const Chart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : y.Ticks(kMaxYTicks)) {
    svg += Line({kPlotLeft, y.At(tick)}, {kPlotRight, y.At(tick)}, "grid");
    svg += Text({kPlotLeft - 8, y.At(tick) + 4}, "end", fmt::format("{:g}", tick));
  }
  for (const double tick : x.Ticks(kMaxXTicks)) {
    svg += Line({x.At(tick), kPlotTop}, {x.At(tick), kPlotBottom}, "grid");
    svg += Text({x.At(tick), kPlotBottom + 18}, "middle", fmt::format("{:.10g}", tick));
  }
  svg += Text({(kPlotLeft + kPlotRight) / 2, kPlotBottom + 36}, "middle", chart.x_label);
  return svg;
}

std::string DrawPlot(const Chart& chart) {
  Range x_values;
  Range y_values;
  for (const ChartSeries& series : chart.series) {
    for (const ChartPoint& point : series.points) {
      if (!IsDrawn(point, chart)) continue;
      x_values.Add(point.x);
      y_values.Add(point.y);
    }
  }
  if (x_values.IsEmpty()) {
    return Text({(kPlotLeft + kPlotRight) / 2, (kPlotTop + kPlotBottom) / 2}, "middle", "no data");
  }
  if (SpansNothing(x_values)) x_values = Padded(x_values, chart.x_scale);
  const Axis x(x_values, {kPlotLeft, kPlotRight}, chart.x_scale);
  const Axis y(Padded(y_values, chart.y_scale), {kPlotBottom, kPlotTop}, chart.y_scale);
  std::string svg = DrawAxes(chart, x, y);
  for (size_t i = 0; i < chart.series.size(); ++i) svg += DrawSeries(chart, i, x, y);
  return svg;
}

// One row a series; none where there is only one.
std::string DrawLegend(const std::vector<ChartSeries>& series) {
  if (series.size() < 2) return "";
  std::string svg;
  for (size_t i = 0; i < series.size(); ++i) {
    const double middle = kLegendTop + kLegendRow * static_cast<double>(i);
    svg += Line({kPlotLeft, middle}, {kPlotLeft + 24, middle}, SeriesStyle(i));
    svg += Text({kPlotLeft + 32, middle + 4}, "start", series[i].name);
  }
  return svg;
}

// 1, 2 and 5 times powers of ten.
std::vector<double> TicksOfThree(double low, double high) {
  std::vector<double> ticks;
  const auto first = static_cast<int>(std::floor(std::log10(low)));
  const auto last = static_cast<int>(std::floor(std::log10(high)));
  for (int exponent = first; exponent <= last; ++exponent) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double tick = digit * std::pow(10.0, exponent);
      if (low <= tick && tick <= high) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

std::string EscapedMarkup(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::vector<double> LinearTicks(double low, double high, int max_ticks) {
  const double power = std::pow(10.0, std::floor(std::log10((high - low) / max_ticks)));
  for (const double multiple : {1.0, 2.0, 5.0, 10.0, 20.0}) {
    const double step = multiple * power;
    const double first = std::ceil(low / step);
    const double last = std::floor(high / step);
    if (last - first + 1.0 > max_ticks) continue;
    std::vector<double> ticks;
    // + 0.0 makes -0 a 0.
    for (int i = 0; i <= static_cast<int>(last - first); ++i) {
      ticks.push_back((first + i) * step + 0.0);
    }
    return ticks;
  }
  return {};
}

std::vector<double> LogarithmicTicks(double low, double high, int max_ticks) {
  const auto first = static_cast<int>(std::ceil(std::log10(low)));
  const auto last = static_cast<int>(std::floor(std::log10(high)));
  if (last - first < 2) {
    const std::vector<double> ticks = TicksOfThree(low, high);
    return ticks.size() >= 3 ? ticks : LinearTicks(low, high, max_ticks);
  }
  const int stride = (last - first) / max_ticks + 1;
  std::vector<double> ticks;
  for (int exponent = first; exponent <= last; exponent += stride) {
    ticks.push_back(std::pow(10.0, exponent));
  }
  return ticks;
}

std::string RenderSvg(const Chart& chart) {
  const size_t num_rows = chart.series.size() < 2 ? 0 : chart.series.size();
  const double height = kLegendTop - 8 + kLegendRow * static_cast<double>(num_rows);
  const std::string title = EscapedMarkup(chart.title);
  return fmt::format(
             "<svg class=\"chart\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
             kWidth, height, title) +
         Text({kPlotLeft, 20}, "title", chart.title) + DrawPlot(chart) + DrawLegend(chart.series) +
         "</svg>\n";
}

// The colours of Okabe and Ito, which people with any colour vision tell apart; lighter on dark.
std::string_view ChartStyle() {
  return R"(:root {
  color-scheme: light dark; --ink: #222; --paper: #fff; --grid: #ddd;
  --series-0: #0072b2; --series-1: #d55e00; --series-2: #00875f;
  --series-3: #b5478a; --series-4: #8a6d00; --series-5: #555;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #ddd; --paper: #16181c; --grid: #333;
    --series-0: #56b4e9; --series-1: #f0944d; --series-2: #2bc79a;
    --series-3: #e79ac6; --series-4: #e6d94a; --series-5: #bbb;
  }
}
.chart { width: 100%; height: auto; }
.chart text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.chart .title { font-weight: 600; font-size: 14px; }
.chart .middle { text-anchor: middle; }
.chart .end { text-anchor: end; }
.chart .grid { stroke: var(--grid); }
.chart .series { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
.chart .dash-1 { stroke-dasharray: 6 3; }
.chart .dash-2 { stroke-dasharray: 2 3; }
.chart .colour-0 { stroke: var(--series-0); }
.chart .colour-1 { stroke: var(--series-1); }
.chart .colour-2 { stroke: var(--series-2); }
.chart .colour-3 { stroke: var(--series-3); }
.chart .colour-4 { stroke: var(--series-4); }
.chart .colour-5 { stroke: var(--series-5); }
)";
}

}  // namespace tandem
