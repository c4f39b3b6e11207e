// The text of --help, from the table.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "engine/base/settings.h"
#include "engine/base/terminal.h"

namespace tandem {
namespace {

constexpr int kHelpColumn = 30;
constexpr int kMinColumns = 60;

std::string ValueName(const Setting& setting) {
  return setting.knob.value_name.empty() ? setting.type_name : setting.knob.value_name;
}

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

bool IsOnByDefault(const Setting& setting) { return setting.initial.front() == "true"; }

std::string Left(const Setting& setting) {
  switch (setting.kind) {
    case Setting::Kind::kSwitch:
      return (IsOnByDefault(setting) ? "--[no-]" : "--") + setting.name;
    case Setting::Kind::kValue:
      return "--" + setting.name + " " + ValueName(setting);
    case Setting::Kind::kList:
      return "--" + setting.name + " " + ValueName(setting) + " ...";
  }
  return "";
}

std::string Limits(const Knob& knob) {
  std::string text;
  if (knob.above) text += fmt::format(", above {}", *knob.above);
  if (knob.min && knob.max) return text + fmt::format(", {} to {}", *knob.min, *knob.max);
  if (knob.min) text += fmt::format(", at least {}", *knob.min);
  if (knob.max) text += fmt::format(", at most {}", *knob.max);
  return text;
}

// "TCP port (default 8000, 0 to 65535)"
std::string Right(const Setting& setting) {
  const std::vector<std::string>& values = setting.initial;
  std::string facts;
  if (setting.knob.required) {
    facts = "required";
  } else if (setting.kind == Setting::Kind::kValue && !setting.knob.secret && !values.empty() &&
             !values.front().empty()) {
    facts = "default " + values.front();
  } else if (setting.kind == Setting::Kind::kSwitch && IsOnByDefault(setting)) {
    facts = "default on";
  }
  // Limits of sizes and times are in bytes and milliseconds: shown where a value breaks them.
  if (setting.type_name == "INT" || setting.type_name == "NUMBER") facts += Limits(setting.knob);
  if (facts.starts_with(", ")) facts.erase(0, 2);
  return setting.knob.help + (facts.empty() ? "" : " (" + facts + ")");
}

std::string Row(const std::string& left, const std::string& right, int columns) {
  std::string row = "  " + left;
  if (row.size() + 2 > static_cast<size_t>(kHelpColumn)) row += "\n";
  const size_t line_start = row.back() == '\n' ? row.size() : 0;
  row.append(static_cast<size_t>(kHelpColumn) - (row.size() - line_start), ' ');
  return row + Wrap(right, columns - kHelpColumn, kHelpColumn) + "\n";
}

}  // namespace

std::string Settings::Help(int columns) const {
  columns = std::max(columns, kMinColumns);
  std::string usage = "Usage: " + command_ + " [flags]";
  std::vector<std::string> groups;
  for (const Setting& setting : settings_) {
    if (std::find(groups.begin(), groups.end(), setting.knob.group) == groups.end()) {
      groups.push_back(setting.knob.group);
    }
    if (!setting.positional) continue;
    const std::string name =
        Upper(setting.name) + (setting.kind == Setting::Kind::kList ? " ..." : "");
    usage += setting.knob.required ? " " + name : " [" + name + "]";
  }
  std::string text = usage + "\n\n" + Wrap(summary_, columns, 0) + "\n";
  for (const std::string& group : groups) {
    text += "\n" + (group.empty() ? "Flags" : group) + ":\n";
    for (const Setting& setting : settings_) {
      if (setting.knob.group == group) text += Row(Left(setting), Right(setting), columns);
    }
  }
  text +=
      "\n" +
      Wrap(
          "Every flag can also be set by a variable (--max-num-seqs by TANDEM_MAX_NUM_SEQS) and "
          "by a line of the --config file (max-num-seqs: 8). A flag wins over a variable, a "
          "variable over the file.",
          columns, 0) +
      "\n";
  return text;
}

}  // namespace tandem
