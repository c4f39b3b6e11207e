#include "loadtest/report/result_table.h"

#include <fmt/format.h>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"

namespace tandem {
namespace {

constexpr int kNameColumns = 18;

// Rows of names and texts, each text in lines of at most `columns` characters.
class Rows {
 public:
  explicit Rows(int columns) : columns_(columns) {}

  std::string operator()(std::string_view name, const std::string& text) const {
    return fmt::format("{:<{}}{}\n", name, kNameColumns,
                       Wrap(text, columns_ - kNameColumns, kNameColumns));
  }

 private:
  int columns_;
};

// JSON without blanks, so that a line can end between its members.
std::string Spaced(const std::string& json) {
  std::string text;
  for (const char c : json) text += c == ',' ? ", " : std::string(1, c);
  return text;
}

std::string_view Label(Metric metric) {
  return metric == Metric::kSendDelay ? "send delay" : Name(metric);
}

std::string LatencyRow(std::string_view name, const LatencyHistogram& histogram) {
  std::string row = fmt::format("{:<18}{:>9.2f}", name, histogram.mean_microseconds() / 1000.0);
  for (const double share : {0.5, 0.9, 0.95, 0.99}) {
    row += fmt::format("{:>9.2f}", static_cast<double>(histogram.Quantile(share)) / 1000.0);
  }
  return row +
         fmt::format("{:>9.2f}\n", static_cast<double>(histogram.max_microseconds()) / 1000.0);
}

std::string RequestsText(const RunOutcome& outcome) {
  const Measures& total = outcome.total;
  std::string text = FormatCount(total.num_requests()) + " measured, " +
                     FormatCount(total.count(Outcome::kCompleted)) + " completed";
  const int64_t num_cancelled = total.count(Outcome::kCancelled);
  if (num_cancelled > 0) text += ", " + FormatCount(num_cancelled) + " cut as planned";
  return text + ", " + FormatCount(total.num_errors()) + " errors";
}

std::string ErrorRows(const RunOutcome& outcome, const Rows& row) {
  std::string rows;
  for (size_t i = 0; i < kNumOutcomes; ++i) {
    const auto kind = static_cast<Outcome>(i);
    if (!IsError(kind) || outcome.total.count(kind) == 0) continue;
    const auto reason = outcome.reasons.find(kind);
    std::string text = FormatCount(outcome.total.count(kind));
    if (reason != outcome.reasons.end() && !reason->second.empty()) {
      text += " (first: " + Printable(reason->second, 200) + ")";
    }
    rows += row("  " + std::string(Name(kind)), text);
  }
  return rows;
}

std::string ClassRows(const RunOutcome& outcome) {
  if (outcome.classes.size() < 2) return "";
  std::string rows;
  for (const Measures& measures : outcome.classes) {
    const std::string name = Printable(measures.name(), 40);
    for (const Metric metric : {Metric::kTtft, Metric::kE2e}) {
      if (measures.of(metric).count() == 0) continue;
      rows += LatencyRow(fmt::format("{} {}", name, Name(metric)), measures.of(metric));
    }
  }
  return rows;
}

}  // namespace

std::string ResultTable(const LoadResult& result, const Styler& style, int columns) {
  const Rows row(columns);
  const RunOutcome& outcome = result.outcome;
  const Measures& total = outcome.total;
  std::string table = row("server", Printable(result.url) + " " + Spaced(result.server.version));
  table += row("workload", Printable(result.workload));
  for (const std::string& line : result.described) table += row("", line);
  if (result.num_workers > 1) table += row("workers", WorkersText(result));
  table += "\n" + row("requests", RequestsText(outcome)) + ErrorRows(outcome, row);
  table += row("rate", fmt::format("{:.2f} requests/s completed{}", outcome.completed_per_second(),
                                   result.offered_rate > 0.0
                                       ? fmt::format(" of {:.2f} due", result.offered_rate)
                                       : ""));
  table +=
      row("tokens", fmt::format("{:.1f}/s in, {:.1f}/s out (counted by {}), {:.0f} % of the "
                                "input from the server's cache",
                                outcome.PerSecond(total.num_input_tokens()),
                                outcome.PerSecond(total.num_output_tokens()), TokenSource(total),
                                total.num_input_tokens() == 0
                                    ? 0.0
                                    : 100.0 * static_cast<double>(total.num_cached_tokens()) /
                                          static_cast<double>(total.num_input_tokens())));
  if (!result.goodput.empty()) {
    table += row("goodput", fmt::format("{:.2f} requests/s, {:.2f} % within {}",
                                        outcome.PerSecond(total.num_good()),
                                        100.0 * total.good_share(), result.goodput));
  }
  table += row(result.num_workers > 1 ? "busiest client" : "client",
               fmt::format("{:.0f} % of a core, {:.0f} % in the busiest second; at most {} "
                           "in flight",
                           100.0 * outcome.client_cpu_share, 100.0 * outcome.client_peak_cpu_share,
                           FormatCount(outcome.peak_in_flight)));
  table += "\n" +
           style(Style::kBold, fmt::format("{:<18}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}", "milliseconds",
                                           "mean", "p50", "p90", "p95", "p99", "max")) +
           "\n";
  for (const Metric metric : kMetrics) {
    if (total.of(metric).count() > 0) table += LatencyRow(Label(metric), total.of(metric));
  }
  table += ClassRows(outcome);
  for (const std::string& warning : Warnings(result)) {
    table += style(Style::kYellow, "warning:") + " " + Wrap(warning, columns - 9, 9) + "\n";
  }
  return table;
}

}  // namespace tandem
