// The text of --help, from the table.

#include <algorithm>
#include <cctype>

#include "engine/base/setting_text.h"
#include "engine/base/settings.h"
#include "engine/base/terminal.h"

namespace tandem {
namespace {

constexpr int kHelpColumn = 30;
constexpr int kMinColumns = 60;

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

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

std::string Row(const std::string& left, const std::string& right, int columns) {
  std::string row = "  " + left;
  if (row.size() + 2 > static_cast<size_t>(kHelpColumn)) row += "\n";
  const size_t line_start = row.back() == '\n' ? row.size() : 0;
  row.append(static_cast<size_t>(kHelpColumn) - (row.size() - line_start), ' ');
  return row + Wrap(right, columns - kHelpColumn, kHelpColumn) + "\n";
}

// A flag to show the forms of names with: one of two words, if there is any.
std::string ExampleOf(const std::vector<Setting>& settings) {
  const auto is_good = [](const Setting& setting) {
    return setting.kind == Setting::Kind::kValue && !IsRequest(setting) &&
           setting.name.find('-') != std::string::npos;
  };
  const auto good = std::ranges::find_if(settings, is_good);
  return good != settings.end() ? good->name : settings.back().name;
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
      if (setting.knob.group == group) text += Row(Left(setting), HelpWithFacts(setting), columns);
    }
  }
  const std::string example = ExampleOf(settings_);
  text += "\n" +
          Wrap("Every flag can also be set by a variable (--" + example + " by " +
                   VariableOf(example) + ") and by a line of the --config file (" + example +
                   ": VALUE). A flag wins over a variable, a variable over the file.",
               columns, 0) +
          "\n";
  return text;
}

}  // namespace tandem
