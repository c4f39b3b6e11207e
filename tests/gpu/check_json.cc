#include "tests/gpu/check_json.h"

namespace tandem {

using nlohmann::json;

namespace {

json Goal(const std::optional<double>& goal) { return goal ? json(*goal) : json(); }

std::optional<double> GoalOf(const json& goal) {
  return goal.is_null() ? std::nullopt : std::optional(goal.get<double>());
}

}  // namespace

std::string_view Name(CheckOutcome outcome) {
  switch (outcome) {
    case CheckOutcome::kPassed:
      return "passed";
    case CheckOutcome::kFailed:
      return "failed";
    case CheckOutcome::kSkipped:
      return "skipped";
  }
  return "";
}

json ToJson(const Finding& finding) {
  return {{"outcome", Name(finding.outcome)}, {"detail", finding.detail}};
}

Finding FindingOf(const json& from) {
  const std::string outcome = from.at("outcome");
  Finding finding{.detail = from.at("detail")};
  if (outcome == Name(CheckOutcome::kFailed)) finding.outcome = CheckOutcome::kFailed;
  if (outcome == Name(CheckOutcome::kSkipped)) finding.outcome = CheckOutcome::kSkipped;
  return finding;
}

json ToJson(const BenchRow& row) {
  return {{"group", row.group},
          {"name", row.name},
          {"value", row.value},
          {"unit", row.unit},
          {"share", row.share},
          {"bound", row.bound},
          {"must", Goal(row.must)},
          {"aim", Goal(row.aim)},
          {"goal_is_share", row.goal_is_share},
          {"lower_is_better", row.lower_is_better},
          {"note", row.note}};
}

BenchRow BenchRowOf(const json& from) {
  return {.group = from.at("group"),
          .name = from.at("name"),
          .value = from.at("value"),
          .unit = from.at("unit"),
          .share = from.at("share"),
          .bound = from.at("bound"),
          .must = GoalOf(from.at("must")),
          .aim = GoalOf(from.at("aim")),
          .goal_is_share = from.at("goal_is_share"),
          .lower_is_better = from.at("lower_is_better"),
          .note = from.at("note")};
}

}  // namespace tandem
