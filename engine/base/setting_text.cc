#include "engine/base/setting_text.h"

#include <fmt/format.h>

#include <cctype>
#include <chrono>

#include "engine/base/quantity.h"

namespace tandem {
namespace {

// In the unit that the value is written in; a negative size or time cannot be written at all, so
// that a lower limit of 0 is none.
std::string Limit(const Setting& setting, double limit) {
  if (setting.type_name == "SIZE") return ExactBytes(static_cast<int64_t>(limit));
  if (setting.type_name == "TIME") {
    return FormatDuration(std::chrono::milliseconds(static_cast<int64_t>(limit)));
  }
  return fmt::format("{}", limit);
}

std::string Limits(const Setting& setting) {
  const Knob& knob = setting.knob;
  const bool never_negative = setting.type_name == "SIZE" || setting.type_name == "TIME";
  const bool has_min = knob.min && !(never_negative && *knob.min == 0);
  std::string text;
  if (knob.above) text += ", above " + Limit(setting, *knob.above);
  if (has_min && knob.max) {
    return text + ", " + Limit(setting, *knob.min) + " to " + Limit(setting, *knob.max);
  }
  if (has_min) text += ", at least " + Limit(setting, *knob.min);
  if (knob.max) text += ", at most " + Limit(setting, *knob.max);
  return text;
}

}  // namespace

std::string ValueName(const Setting& setting) {
  return setting.knob.value_name.empty() ? setting.type_name : setting.knob.value_name;
}

ValueKind KindOfValue(const Setting& setting) {
  if (!setting.words.empty()) return ValueKind::kWord;
  const std::string name = ValueName(setting);
  if (name == "DIR") return ValueKind::kDirectory;
  // Texts too: --prompts is a file or the name of a built-in list.
  return name == "FILE" || name == "PATH" ? ValueKind::kFile : ValueKind::kText;
}

bool IsRequest(const Setting& setting) {
  return setting.name == "help" || setting.name == "print-config";
}

bool CanBeTurnedOff(const Setting& setting) {
  return setting.kind == Setting::Kind::kSwitch && !IsRequest(setting);
}

bool IsOnByDefault(const Setting& setting) {
  return setting.kind == Setting::Kind::kSwitch && setting.initial.front() == "true";
}

std::string DefaultAndLimits(const Setting& setting) {
  const std::vector<std::string>& values = setting.initial;
  std::string facts;
  if (setting.knob.required) {
    facts = "required";
  } else if (setting.kind == Setting::Kind::kValue && !setting.knob.secret && !values.empty() &&
             !values.front().empty()) {
    facts = "default " + values.front();
  } else if (IsOnByDefault(setting)) {
    facts = "default on";
  }
  facts += Limits(setting);
  if (facts.starts_with(", ")) facts.erase(0, 2);
  return facts;
}

std::string HelpWithFacts(const Setting& setting) {
  const std::string facts = DefaultAndLimits(setting);
  return setting.knob.help + (facts.empty() ? "" : " (" + facts + ")");
}

std::string VariablePrefix(std::string_view program) { return VariableName("", program) + "_"; }

std::string VariableName(std::string prefix, std::string_view name) {
  for (char c : name) {
    prefix += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return prefix;
}

}  // namespace tandem
