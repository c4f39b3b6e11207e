#include "tests/gpu/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tests/gpu/check_json.h"

namespace tandem {
namespace {

using nlohmann::json;

// Of a part with more items, those that passed are counted and not listed.
constexpr size_t kListedItems = 100;

// In a cell of a table.
std::string Cell(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '\\');
  }
  return text;
}

std::string Number(double value) {
  if (value >= 100'000) return fmt::format("{:.0f}", value);
  return value >= 100 ? fmt::format("{:.1f}", value) : fmt::format("{:.3g}", value);
}

std::string Outcomes(const PartRecord& part) {
  std::string text;
  for (const CheckOutcome outcome :
       {CheckOutcome::kPassed, CheckOutcome::kFailed, CheckOutcome::kSkipped}) {
    const int64_t count = part.count(outcome);
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, Name(outcome));
  }
  return text.empty() ? "nothing ran" : text;
}

std::string Goal(const BenchRow& row, const std::optional<double>& goal) {
  if (!goal) return "";
  return row.goal_is_share ? fmt::format("{:.0f} %", 100 * *goal) : Number(*goal);
}

// "must", "aim" or "no"; empty where there is no goal or no figure.
std::string GoalMet(const BenchRow& row) {
  if (row.Reaches(row.aim).value_or(false)) return "aim";
  const std::optional<bool> must = row.Reaches(row.must);
  return must ? (*must ? "must" : "no") : "";
}

std::string RowLine(const BenchRow& row) {
  const bool is_measured = row.value != 0;
  const std::string value = is_measured ? Number(row.value) + " " + row.unit : "";
  const std::string share =
      is_measured && row.share > 0 ? fmt::format("{:.0f} % of {}", 100 * row.share, row.bound) : "";
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", Cell(row.name), value, share,
                     Goal(row, row.must), Goal(row, row.aim), GoalMet(row), Cell(row.note));
}

std::string Benchmarks(const CheckReport& report) {
  std::string text, group;
  for (const PartRecord& part : report.parts) {
    for (const BenchRow& row : part.rows) {
      if (row.group != group) {
        group = row.group;
        text += fmt::format(
            "\n### {}\n\n| | measured | of its ceiling | must | aim | met |\n"
            "| --- | ---: | ---: | ---: | ---: | --- |\n",
            Cell(group));
      }
      text += RowLine(row);
    }
  }
  return text.empty() ? text : "\n## Figures\n" + text;
}

std::string NotPassed(const CheckReport& report) {
  std::string text;
  for (const PartRecord& part : report.parts) {
    for (const ItemRecord& item : part.items) {
      if (item.finding.outcome == CheckOutcome::kPassed) continue;
      text += fmt::format("* {} **{}**, {}: {}\n", part.name, Name(item.finding.outcome),
                          Cell(item.name), Cell(item.finding.detail));
    }
  }
  return text.empty() ? text : "\n## What did not pass\n\n" + text;
}

}  // namespace

bool CheckReport::Succeeded() const {
  return std::all_of(parts.begin(), parts.end(),
                     [](const PartRecord& part) { return part.count(CheckOutcome::kFailed) == 0; });
}

std::string ReportJson(const CheckReport& report) {
  json parts = json::array();
  for (const PartRecord& part : report.parts) {
    json items = json::array(), rows = json::array();
    const bool is_long = part.items.size() > kListedItems;
    for (const ItemRecord& item : part.items) {
      if (is_long && item.finding.outcome == CheckOutcome::kPassed) continue;
      json line = ToJson(item.finding);
      line["name"] = item.name;
      line["seconds"] = std::round(item.seconds * 1000) / 1000;
      items.push_back(std::move(line));
    }
    for (const BenchRow& row : part.rows) rows.push_back(ToJson(row));
    parts.push_back({{"name", part.name},
                     {"about", part.about},
                     {"seconds", part.seconds},
                     {"passed", part.count(CheckOutcome::kPassed)},
                     {"failed", part.count(CheckOutcome::kFailed)},
                     {"skipped", part.count(CheckOutcome::kSkipped)},
                     {"items", std::move(items)},
                     {"rows", std::move(rows)}});
  }
  const json whole = {{"format", "tandem-gpu-check/1"},
                      {"began", report.began},
                      {"seconds", report.seconds},
                      {"commit", report.commit},
                      {"gpu", report.gpu},
                      {"architecture", report.architecture},
                      {"memory_bytes", report.memory_bytes},
                      {"driver", report.driver},
                      {"host", report.host},
                      {"succeeded", report.Succeeded()},
                      {"parts", std::move(parts)}};
  return whole.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string ReportMarkdown(const CheckReport& report) {
  std::string text = fmt::format(
      "# Checked on {}\n\n"
      "| | |\n| --- | --- |\n"
      "| GPU | {} ({}), {:.0f} GiB, driver {} |\n"
      "| host | {} |\n"
      "| commit | {} |\n"
      "| began | {}, took {:.0f} s |\n"
      "\n| part | outcome | seconds |\n| --- | --- | ---: |\n",
      report.gpu, report.gpu, report.architecture,
      static_cast<double>(report.memory_bytes) / (1 << 30),
      report.driver.empty() ? "not known" : report.driver, Cell(report.host), report.commit,
      report.began, report.seconds);
  for (const PartRecord& part : report.parts) {
    text += fmt::format("| {}: {} | {} | {:.1f} |\n", part.name, Cell(part.about), Outcomes(part),
                        part.seconds);
  }
  return text + NotPassed(report) + Benchmarks(report);
}

}  // namespace tandem
