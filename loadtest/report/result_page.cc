#include "loadtest/report/result_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "engine/base/report_page.h"
#include "engine/base/svg_chart.h"
#include "loadtest/report/latency_series.h"

namespace tandem {
namespace {

std::string FactRow(std::string_view name, std::string_view text) {
  return fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", name, MarkupOf(text));
}

std::string FactTable(const LoadResult& result) {
  const RunOutcome& outcome = result.outcome;
  const Measures& total = outcome.total;
  std::string table = "<div class=\"table\"><table class=\"facts\">\n";
  table += FactRow("server", result.url);
  if (!result.server.version.empty()) table += FactRow("version", result.server.version);
  if (!result.server.model.empty()) table += FactRow("model", result.server.model);
  table += FactRow("started", result.started);
  table += FactRow("workload", result.workload);
  for (const std::string& line : result.described) table += FactRow("", line);
  if (result.num_workers > 1) table += FactRow("workers", WorkersText(result));
  table += FactRow("seed", result.seed);
  table += FactRow("salt", result.salt);
  table +=
      FactRow("measured", fmt::format("{} requests in {:.1f} s: {} completed, {} cut as planned, "
                                      "{} errors",
                                      FormatCount(total.num_requests()), outcome.window_seconds,
                                      FormatCount(total.count(Outcome::kCompleted)),
                                      FormatCount(total.count(Outcome::kCancelled)),
                                      FormatCount(total.num_errors())));
  table += FactRow(
      "rate",
      fmt::format("{:.2f} requests/s completed, {:.1f} tokens/s in, {:.1f} "
                  "tokens/s out (counted by {})",
                  outcome.completed_per_second(), outcome.PerSecond(total.num_input_tokens()),
                  outcome.PerSecond(total.num_output_tokens()), TokenSource(total)));
  if (!result.goodput.empty()) {
    table += FactRow("goodput", fmt::format("{:.2f} requests/s, {:.2f} % within {}",
                                            outcome.PerSecond(total.num_good()),
                                            100.0 * total.good_share(), result.goodput));
  }
  table +=
      FactRow(result.num_workers > 1 ? "busiest client" : "client",
              fmt::format("{:.0f} % of a core, {:.0f} % in the busiest second",
                          100.0 * outcome.client_cpu_share, 100.0 * outcome.client_peak_cpu_share));
  for (const auto& [kind, reason] : outcome.reasons) {
    table += FactRow(fmt::format("first {}", Name(kind)), reason);
  }
  return table + "</table></div>\n";
}

std::string LatencyRow(std::string_view name, const LatencyHistogram& histogram) {
  const auto quantile = [&](double share) {
    return static_cast<double>(histogram.Quantile(share)) / 1000.0;
  };
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{:.2f}</td><td>{:.2f}</td><td>{:.2f}</td><td>{:.2f}</td>"
      "<td>{:.2f}</td><td>{:.2f}</td></tr>\n",
      EscapedMarkup(name), FormatCount(histogram.count()), histogram.mean_microseconds() / 1000.0,
      quantile(0.5), quantile(0.9), quantile(0.95), quantile(0.99), quantile(1.0));
}

std::string LatencyTable(const RunOutcome& outcome) {
  std::string table =
      "<div class=\"table\"><table>\n<tr><th>milliseconds</th><th>count</th><th>mean</th>"
      "<th>p50</th><th>p90</th><th>p95</th><th>p99</th><th>max</th></tr>\n";
  const auto add = [&table](const Measures& measures, const std::string& prefix) {
    for (const Metric metric : kMetrics) {
      const LatencyHistogram& histogram = measures.of(metric);
      const std::string name =
          metric == Metric::kSendDelay ? "send delay" : std::string(Name(metric));
      if (histogram.count() > 0) table += LatencyRow(prefix + name, histogram);
    }
  };
  add(outcome.total, "");
  if (outcome.classes.size() > 1) {
    for (const Measures& measures : outcome.classes)
      add(measures, Printable(measures.name()) + ": ");
  }
  return table + "</table></div>\n";
}

ChartSeries SeriesOf(std::string name, const RunOutcome& outcome,
                     const std::function<double(const TimelinePoint&)>& value) {
  ChartSeries series{.name = std::move(name)};
  for (const TimelinePoint& point : outcome.timeline) {
    series.points.push_back({point.begin_seconds, value(point)});
  }
  return series;
}

// Intervals without a measured request have a gap.
ChartSeries LatencySeries(std::string name, const RunOutcome& outcome,
                          LatencyHistogram TimelinePoint::*latency, double share) {
  ChartSeries series{.name = std::move(name)};
  for (const TimelinePoint& point : outcome.timeline) {
    const int64_t value = (point.*latency).Quantile(share);
    if (value > 0) {
      series.points.push_back({point.begin_seconds, static_cast<double>(value) / 1000.0});
    }
  }
  return series;
}

Chart RateChart(const RunOutcome& outcome) {
  const double interval = outcome.interval_seconds;
  const auto rate = [interval](int64_t count) { return static_cast<double>(count) / interval; };
  Chart chart{.title = "requests a second", .x_label = "seconds"};
  chart.series.push_back(
      SeriesOf("due", outcome, [&](const TimelinePoint& point) { return rate(point.num_due); }));
  chart.series.push_back(
      SeriesOf("sent", outcome, [&](const TimelinePoint& point) { return rate(point.num_sent); }));
  chart.series.push_back(SeriesOf(
      "completed", outcome, [&](const TimelinePoint& point) { return rate(point.num_completed); }));
  return chart;
}

Chart OutputChart(const RunOutcome& outcome) {
  Chart chart{.title = "pieces of streams a second", .x_label = "seconds"};
  chart.series.push_back(SeriesOf("outputs", outcome, [&](const TimelinePoint& point) {
    return static_cast<double>(point.num_outputs) / outcome.interval_seconds;
  }));
  return chart;
}

Chart LatencyChart(std::string title, const RunOutcome& outcome,
                   LatencyHistogram TimelinePoint::*latency,
                   const std::vector<std::pair<std::string, double>>& shares) {
  Chart chart{.title = std::move(title),
              .x_label = "seconds at which requests were due",
              .y_scale = Chart::Scale::kLogarithmic};
  for (const auto& [name, share] : shares) {
    chart.series.push_back(LatencySeries(name, outcome, latency, share));
  }
  return chart;
}

Chart ErrorChart(const RunOutcome& outcome) {
  Chart chart{.title = "errors a second", .x_label = "seconds"};
  for (size_t i = 0; i < kNumOutcomes; ++i) {
    const auto kind = static_cast<Outcome>(i);
    const bool has_any = std::ranges::any_of(
        outcome.timeline, [i](const TimelinePoint& point) { return point.outcomes[i] > 0; });
    if (!IsError(kind) || !has_any) continue;
    chart.series.push_back(
        SeriesOf(std::string(Name(kind)), outcome, [&](const TimelinePoint& point) {
          return static_cast<double>(point.outcomes[i]) / outcome.interval_seconds;
        }));
  }
  return chart;
}

Chart DistributionChart(const RunOutcome& outcome) {
  Chart chart{.title = "percent of requests (of gaps: itl) that took no longer",
              .x_label = "milliseconds",
              .x_scale = Chart::Scale::kLogarithmic};
  for (const Metric metric : {Metric::kTtft, Metric::kE2e, Metric::kItl}) {
    if (outcome.total.of(metric).count() > 0) {
      chart.series.push_back(
          DistributionSeries(std::string(Name(metric)), outcome.total.of(metric)));
    }
  }
  return chart;
}

std::vector<Chart> ChartsOf(const RunOutcome& outcome) {
  std::vector<Chart> charts = {RateChart(outcome)};
  charts.push_back(LatencyChart("end to end, milliseconds", outcome, &TimelinePoint::e2e,
                                {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}}));
  if (outcome.total.of(Metric::kTtft).count() > 0) {
    charts.push_back(LatencyChart("time to first text, milliseconds", outcome, &TimelinePoint::ttft,
                                  {{"p50", 0.5}, {"p99", 0.99}}));
    charts.push_back(OutputChart(outcome));
  }
  charts.push_back(DistributionChart(outcome));
  Chart errors = ErrorChart(outcome);
  if (!errors.series.empty()) charts.push_back(std::move(errors));
  return charts;
}

}  // namespace

std::string ResultPage(const LoadResult& result) {
  std::string page;
  for (const std::string& warning : Warnings(result)) {
    page += "<p class=\"warning\">" + MarkupOf(warning) + "</p>\n";
  }
  page += FactTable(result) + LatencyTable(result.outcome);
  page +=
      "<p>Latencies count from when a request was due, also where it was sent later (send delay). "
      "The charts over time have the warm-up, the table does not.</p>\n<div class=\"charts\">\n";
  for (const Chart& chart : ChartsOf(result.outcome)) page += RenderSvg(chart);
  return ReportPage("Load test: " + result.workload, page + "</div>\n");
}

}  // namespace tandem
