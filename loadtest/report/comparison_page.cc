#include "loadtest/report/comparison_page.h"

#include <fmt/format.h>

#include "engine/base/report_page.h"
#include "engine/base/svg_chart.h"
#include "loadtest/report/comparison.h"
#include "loadtest/report/latency_series.h"

namespace tandem {
namespace {

Chart LatencyChart(Metric metric, const NamedResult& a, const NamedResult& b, const char* title,
                   ChartSeries (*series)(std::string, const LatencyHistogram&)) {
  Chart chart{.title = fmt::format("{}: {}", Name(metric), title),
              .x_label = "milliseconds",
              .x_scale = Chart::Scale::kLogarithmic};
  for (const NamedResult* side : {&a, &b}) {
    chart.series.push_back(series(side->name, side->result.outcome.total.of(metric)));
  }
  return chart;
}

bool BothHave(Metric metric, const NamedResult& a, const NamedResult& b) {
  return a.result.outcome.total.of(metric).count() > 0 &&
         b.result.outcome.total.of(metric).count() > 0;
}

std::string Described(const char* letter, const NamedResult& side) {
  std::string text = fmt::format("<p><b>{}</b> is {}:", letter, MarkupOf(side.name));
  for (const std::string& line : side.result.described) text += " " + MarkupOf(line) + ";";
  text.back() = '.';
  return text + "</p>\n";
}

}  // namespace

std::string ComparisonPage(const NamedResult& a, const NamedResult& b) {
  std::string page = Described("A", a) + Described("B", b);
  const std::string table = ComparisonTable(a.result, b.result, Styler(Styler::Colour::kOff));
  page += "<div class=\"table\"><pre>" + EscapedMarkup(table) + "</pre></div>\n";
  page += "<div class=\"charts\">\n";
  for (const Metric metric : {Metric::kE2e, Metric::kTtft, Metric::kItl}) {
    if (!BothHave(metric, a, b)) continue;
    page += RenderSvg(LatencyChart(metric, a, b, "percent of all, by length", DensitySeries));
    page +=
        RenderSvg(LatencyChart(metric, a, b, "percent that took no longer", DistributionSeries));
  }
  return ReportPage("Load tests: " + a.name + " and " + b.name, page + "</div>\n");
}

}  // namespace tandem
