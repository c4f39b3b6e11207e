#include "trainer/cli/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <set>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "engine/base/report_page.h"
#include "engine/base/svg_chart.h"
#include "trainer/cli/commands.h"

namespace tandem {
namespace {

std::string ShownNumber(double number) {
  return std::isfinite(number) ? fmt::format("{:.4f}", number) : "-";
}

// Each point becomes the mean of itself and up to num_steps - 1 before it.
std::vector<ChartPoint> Smoothed(const std::vector<ChartPoint>& points, int64_t num_steps) {
  const auto window = static_cast<size_t>(num_steps);
  std::vector<ChartPoint> smooth;
  double sum = 0.0;
  for (size_t i = 0; i < points.size(); ++i) {
    sum += points[i].y;
    if (i >= window) sum -= points[i - window].y;
    smooth.push_back({points[i].x, sum / static_cast<double>(std::min(i + 1, window))});
  }
  return smooth;
}

struct StepCurve {
  std::string_view title;
  double LoggedStep::*value;
  Chart::Scale scale = Chart::Scale::kLinear;
  int64_t smooth = 1;
};

Chart ChartOf(const StepCurve& curve, std::span<const ReportedRun> runs) {
  Chart chart{.title = std::string(curve.title), .x_label = "step", .y_scale = curve.scale};
  for (const ReportedRun& run : runs) {
    std::vector<ChartPoint> points;
    for (const LoggedStep& step : run.log.steps) {
      const double value = step.*curve.value;
      if (std::isfinite(value)) points.push_back({static_cast<double>(step.step), value});
    }
    chart.series.push_back({Printable(run.name), Smoothed(points, curve.smooth)});
  }
  return chart;
}

Chart EvaluationChart(const std::string& name, std::span<const ReportedRun> runs) {
  Chart chart{.title = "evaluation: " + Printable(name), .x_label = "step"};
  for (const ReportedRun& run : runs) {
    ChartSeries series{.name = Printable(run.name)};
    const auto found = run.log.evaluations.find(name);
    if (found != run.log.evaluations.end()) {
      for (const LoggedValue& logged : found->second) {
        series.points.push_back({static_cast<double>(logged.step), logged.value});
      }
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

bool HasBalanceLoss(const ReportedRun& run) {
  return std::ranges::any_of(run.log.steps, [](const LoggedStep& step) {
    return std::isfinite(step.balance_loss) && step.balance_loss != 0.0;
  });
}

std::vector<Chart> ChartsOf(std::span<const ReportedRun> runs, const ReportOptions& options) {
  using enum Chart::Scale;
  std::vector<Chart> charts;
  charts.push_back(ChartOf({.title = "loss",
                            .value = &LoggedStep::loss,
                            .scale = options.log_loss ? kLogarithmic : kLinear,
                            .smooth = options.smooth},
                           runs));
  std::set<std::string> names;
  for (const ReportedRun& run : runs) {
    for (const auto& [name, values] : run.log.evaluations) names.insert(name);
  }
  for (const std::string& name : names) charts.push_back(EvaluationChart(name, runs));
  charts.push_back(ChartOf({.title = "rate", .value = &LoggedStep::rate}, runs));
  charts.push_back(ChartOf({.title = "gradient norm",
                            .value = &LoggedStep::gradient_norm,
                            .scale = kLogarithmic,
                            .smooth = options.smooth},
                           runs));
  if (std::ranges::any_of(runs, HasBalanceLoss)) {
    charts.push_back(ChartOf(
        {.title = "balance loss", .value = &LoggedStep::balance_loss, .smooth = options.smooth},
        runs));
  }
  charts.push_back(ChartOf({.title = "tokens per second",
                            .value = &LoggedStep::tokens_per_second,
                            .smooth = options.smooth},
                           runs));
  return charts;
}

std::string TableRow(const ReportedRun& run) {
  int64_t num_tokens = 0;
  double seconds = 0.0;
  for (const LoggedStep& step : run.log.steps) {
    num_tokens += step.num_tokens;
    seconds += step.seconds;
  }
  const bool is_empty = run.log.steps.empty();
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2f}</td><td>{}</td></tr>\n",
      MarkupOf(run.name), FormatCount(std::ssize(run.log.steps)),
      is_empty ? "-" : ShownNumber(run.log.steps.back().loss), FormatCount(num_tokens),
      seconds / 3600.0, FormatCount(run.log.num_skipped));
}

}  // namespace

std::string RenderReport(std::span<const ReportedRun> runs, const ReportOptions& options) {
  std::string page =
      "<div class=\"table\"><table>\n"
      "<tr><th>run</th><th>steps</th><th>last loss</th><th>tokens</th><th>hours</th>"
      "<th>skipped</th></tr>\n";
  for (const ReportedRun& run : runs) page += TableRow(run);
  page += "</table></div>\n";
  if (options.smooth > 1) {
    page += fmt::format("<p>Curves of steps are means over {} steps.</p>\n", options.smooth);
  }
  page += "<div class=\"charts\">\n";
  for (const Chart& chart : ChartsOf(runs, options)) page += RenderSvg(chart);
  return ReportPage("Training report", page + "</div>\n");
}

void AddReportSettings(Settings& settings, ReportOptions& options) {
  settings.AddPositional(
      "runs", &options.runs,
      {.help = "directories of runs, or their JSONL logs", .value_name = "RUN", .required = true});
  settings.Add("out", &options.out, {.help = "the page to write", .value_name = "FILE"});
  settings.Add("smooth", &options.smooth,
               {.help = "steps that curves are the mean over", .min = 1, .max = 10000});
  settings.Add("log-loss", &options.log_loss, {.help = "a logarithmic scale for the loss"});
}

int WriteReport(const CommandLine& line) {
  ReportOptions options;
  Settings settings("tandem-train report", "Draws the curves of runs into one HTML file.");
  AddReportSettings(settings, options);
  IgnoreOtherTrainCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  std::vector<ReportedRun> runs;
  for (const std::string& run : options.runs) runs.push_back({run, ReadRunLog(run)});
  WriteFileAtomically(options.out, RenderReport(runs, options));
  line.out << fmt::format("written           {}\n", Printable(options.out.string()));
  return 0;
}

}  // namespace tandem
