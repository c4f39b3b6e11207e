// The table of LadderResult.

#include <fmt/format.h>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "loadtest/ladder/ladder_result.h"
#include "loadtest/run/client_load.h"

namespace tandem {
namespace {

constexpr std::string_view kNone = "-";
constexpr double kBusyShare = 0.25;   // of the processors, by other programs
constexpr int64_t kFewRequests = 20;  // of which a p95 is the largest but none

std::string Row(std::string_view name, std::string_view text) {
  return fmt::format("{:<10}{}\n", name, text);
}

std::string Facts(const LadderResult& result) {
  const LadderStepResult& first = result.steps.front();
  std::string text = Row("model", Printable(first.server));
  text += Row("machine", fmt::format("{} processors, load average {:.1f} before the first step",
                                     result.num_processors, result.load_average));
  text += Row("load", fmt::format("one request at a time, then {} together", result.num_together));
  for (const std::string& line : result.described) text += Row("", line);
  text += Row("measured", fmt::format("{:g} s a step after {:g} s, {}, tandem-loadtest {}",
                                      result.measured_seconds, result.warm_up_seconds,
                                      result.started, TANDEM_VERSION));
  return text + Row("text", fmt::format("{}, {} bytes", Printable(result.text_file),
                                        FormatCount(result.text_bytes)));
}

// Two lines: the figures in groups, then each.
std::string Heading() {
  return fmt::format("{:<21}{:>9}  {:^17}  {:^17}  {:^17}  {:>9}  {:^17}\n", "", "output",
                     "speed-up", "TPOT, ms", "e2e, ms", "bits", "as the first") +
         fmt::format("{:<21}{:>9}  {:>8}{:>9}  {:>8}{:>9}  {:>8}{:>9}  {:>9}  {:>9}{:>8}\n", "step",
                     "tokens/s", "of last", "of first", "p50", "p95", "p50", "p95", "per byte",
                     "answers", "tokens");
}

std::string Speedup(double rate, double base) {
  return rate > 0.0 && base > 0.0 ? fmt::format("{:.2f}x", rate / base) : std::string(kNone);
}

std::string Milliseconds(const LatencyHistogram& histogram, double share) {
  if (histogram.count() == 0) return std::string(kNone);
  return fmt::format("{:.2f}", static_cast<double>(histogram.Quantile(share)) / 1000.0);
}

std::string StepRow(const LadderResult& result, size_t index) {
  const LadderStepResult& step = result.steps[index];
  if (!step.failure.empty()) {
    return fmt::format("{:<21}failed: {}\n", step.step.name, Printable(step.failure));
  }
  const double rate = step.tokens_per_second();
  const double before = index == 0 ? 0.0 : result.steps[index - 1].tokens_per_second();
  const double first = index == 0 ? 0.0 : result.steps.front().tokens_per_second();
  const LatencyHistogram& tpot = step.run.total.of(Metric::kTpot);
  const LatencyHistogram& e2e = step.run.total.of(Metric::kE2e);
  const AnswerComparison& answers = step.answers;
  const std::string same_tokens =
      answers.num_tokens == 0
          ? std::string(kNone)
          : fmt::format("{:.1f} %", 100.0 * static_cast<double>(answers.num_same_tokens) /
                                        static_cast<double>(answers.num_tokens));
  return fmt::format("{:<21}{:>9.1f}  {:>8}{:>9}  {:>8}{:>9}  {:>8}{:>9}  {:>9.4f}  {:>9}{:>8}\n",
                     step.step.name, rate, Speedup(rate, before), Speedup(rate, first),
                     Milliseconds(tpot, 0.5), Milliseconds(tpot, 0.95), Milliseconds(e2e, 0.5),
                     Milliseconds(e2e, 0.95), step.text.bits_per_byte(),
                     fmt::format("{}/{}", answers.num_same_answers, answers.num_answers),
                     same_tokens);
}

std::vector<std::string> Warnings(const LadderResult& result) {
  std::vector<std::string> warnings;
  if (result.load_average > kBusyShare * result.num_processors) {
    warnings.push_back(fmt::format(
        "the machine was busy before the first step (load average {:.1f}): other programs may have "
        "slowed some steps more than others",
        result.load_average));
  }
  int64_t fewest = kFewRequests;
  for (const LadderStepResult& step : result.steps) {
    if (!step.failure.empty()) continue;
    if (step.breaks_invariance()) {
      warnings.push_back(fmt::format(
          "'{}' must give the first step's tokens and did not in {} of {} answers: a bug",
          step.step.name, step.answers.num_answers - step.answers.num_same_answers,
          step.answers.num_answers));
    }
    if (step.run.client_cpu_share > kBusyClientShare) {
      warnings.push_back(
          fmt::format("in '{}' this client used {:.0f} % of a core: the rate may be its own; use a "
                      "larger model",
                      step.step.name, 100.0 * step.run.client_cpu_share));
    }
    if (step.answers.num_answers == 0) {
      warnings.push_back(
          fmt::format("no answer of '{}' was compared; raise --duration", step.step.name));
    }
    fewest = std::min(fewest, step.run.total.count(Outcome::kCompleted));
  }
  if (fewest < kFewRequests) {
    warnings.push_back(fmt::format(
        "a step ended only {} requests: its percentiles and its rate are rough; raise --duration",
        fewest));
  }
  return warnings;
}

}  // namespace

std::string LadderTable(const LadderResult& result, const Styler& style) {
  if (result.steps.empty()) return "";
  std::string table = Facts(result) + "\n" + style(Style::kBold, Heading());
  for (size_t i = 0; i < result.steps.size(); ++i) table += StepRow(result, i);
  table += "\n";
  for (const LadderStepResult& step : result.steps) {
    table += fmt::format("{:<21}{}\n", step.step.name, step.step.adds);
  }
  for (const std::string& warning : Warnings(result)) {
    table += style(Style::kYellow, "warning: ") + warning + "\n";
  }
  return table;
}

}  // namespace tandem
