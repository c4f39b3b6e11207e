#include "loadtest/measure/objective.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Statistic = Objective::Statistic;

[[noreturn]] void Fail(const std::string& part, const std::string& why) {
  throw ConfigError(
      fmt::format("--slo {}: {}; write p95(e2e)<500ms, mean(tpot)<=20ms, errors<1% or "
                  "good>=99%, with commas between",
                  Quoted(part), why));
}

std::optional<double> ParseNumber(std::string_view text) {
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Metric ParseMetric(const std::string& part, const std::string& name) {
  std::vector<std::string> names;
  for (const Metric metric : kMetrics) {
    if (Name(metric) == name) return metric;
    names.emplace_back(Name(metric));
  }
  Fail(part, "there is no measure " + Quoted(name) + " (" +
                 fmt::format("{}", fmt::join(names, ", ")) + ")" + DidYouMean(name, names));
}

void ParseStatistic(const std::string& part, const std::string& name, Objective& objective) {
  if (name == "mean") {
    objective.statistic = Statistic::kMean;
  } else if (name == "max") {
    objective.statistic = Statistic::kMax;
  } else {
    const auto percent =
        name.starts_with('p') ? ParseNumber(std::string_view(name).substr(1)) : std::nullopt;
    if (!percent || *percent <= 0.0 || *percent > 100.0) {
      Fail(part, Quoted(name) + " is not mean, max or a percentile p1 to p100");
    }
    objective.share = *percent / 100.0;
  }
}

double ParseShare(const std::string& part, std::string_view text) {
  const bool is_percent = text.ends_with('%');
  if (is_percent) text.remove_suffix(1);
  const auto number = ParseNumber(text);
  const double share = number.value_or(-1.0) / (is_percent ? 100.0 : 1.0);
  if (!(share >= 0.0 && share <= 1.0)) Fail(part, "the limit must be a share: 1% or 0.01");
  return share;
}

Objective ParseObjective(const std::string& part) {
  Objective objective{.text = part};
  const size_t sign = part.find_first_of("<>");
  if (sign == part.npos || sign == 0) Fail(part, "it has no < or >");
  objective.is_upper = part[sign] == '<';
  objective.takes_equal = sign + 1 < part.size() && part[sign + 1] == '=';
  const std::string left = part.substr(0, sign);
  const std::string right = part.substr(sign + (objective.takes_equal ? 2 : 1));
  if (left == "errors" || left == "good") {
    objective.statistic = left == "errors" ? Statistic::kErrors : Statistic::kGood;
    objective.limit = ParseShare(part, right);
    return objective;
  }
  const size_t open = left.find('(');
  if (open == left.npos || !left.ends_with(')')) Fail(part, "it has no statistic of a measure");
  ParseStatistic(part, left.substr(0, open), objective);
  objective.metric = ParseMetric(part, left.substr(open + 1, left.size() - open - 2));
  const auto limit = ParseDuration(right);
  if (!limit) Fail(part, Quoted(right) + " is not a duration such as 500ms or 2s");
  objective.limit = static_cast<double>(limit->count());
  return objective;
}

}  // namespace

double Objective::ValueOf(const Measures& measures) const {
  switch (statistic) {
    case Statistic::kQuantile:
      return measures.Quantile(metric, share);
    case Statistic::kMean:
      return measures.of(metric).mean_microseconds() / 1000.0;
    case Statistic::kMax:
      return measures.Quantile(metric, 1.0);
    case Statistic::kErrors:
      return measures.error_share();
    case Statistic::kGood:
      return measures.good_share();
  }
  return std::numeric_limits<double>::infinity();
}

// Nothing measured is no proof.
bool Objective::Holds(const Measures& measures) const {
  if (measures.count(Outcome::kCompleted) == 0) return false;
  const bool is_share = statistic == Statistic::kErrors || statistic == Statistic::kGood;
  if (!is_share && measures.of(metric).count() == 0) return false;
  const double value = ValueOf(measures);
  if (takes_equal && value == limit) return true;
  return is_upper ? value < limit : value > limit;
}

std::string Objective::ValueText(const Measures& measures) const {
  const double value = ValueOf(measures);
  if (statistic == Statistic::kErrors || statistic == Statistic::kGood) {
    return fmt::format("{:.2f} %", 100.0 * value);
  }
  return std::isinf(value) ? "never" : fmt::format("{:.1f} ms", value);
}

std::vector<Objective> ParseObjectives(const std::string& text) {
  std::string compact = text;
  std::erase(compact, ' ');
  std::vector<Objective> objectives;
  for (size_t begin = 0; begin <= compact.size();) {
    const size_t end = std::min(compact.find(',', begin), compact.size());
    objectives.push_back(ParseObjective(compact.substr(begin, end - begin)));
    begin = end + 1;
  }
  return objectives;
}

bool HoldAll(const std::vector<Objective>& objectives, const Measures& measures) {
  return std::ranges::all_of(objectives,
                             [&](const Objective& each) { return each.Holds(measures); });
}

}  // namespace tandem
