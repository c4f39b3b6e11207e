#include "engine/base/settings.h"

#include <unistd.h>

#include <algorithm>

#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/setting_text.h"
#include "engine/base/settings_sources.h"
#include "engine/base/terminal.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr std::string_view kConfig = "config";
constexpr std::string_view kHelp = "help";
constexpr std::string_view kPrintConfig = "print-config";

// Of the program, not of what it does: they have no place in a configuration file.
bool IsBuiltIn(std::string_view name) {
  return name == kConfig || name == kHelp || name == kPrintConfig;
}

std::string ShownTexts(const std::vector<std::string>& texts) {
  std::string shown;
  for (const std::string& text : texts) shown += (shown.empty() ? "" : ", ") + Quoted(text, 200);
  return shown;
}

[[noreturn]] void FailWith(const Problems& problems) {
  if (problems.size() == 1) throw ConfigError(problems.front());
  std::string message = std::to_string(problems.size()) + " problems:";
  for (const std::string& problem : problems) message += "\n  " + problem;
  throw ConfigError(message);
}

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

std::string_view Name(SettingSource source) {
  switch (source) {
    case SettingSource::kDefault:
      return "default";
    case SettingSource::kFile:
      return "file";
    case SettingSource::kVariable:
      return "variable";
    case SettingSource::kFlag:
      return "flag";
  }
  return "?";
}

std::vector<std::string> NamesOf(std::span<const Setting> settings) {
  std::vector<std::string> names;
  for (const Setting& setting : settings) names.push_back(setting.name);
  return names;
}

std::string WithDashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

Settings::Settings(std::string command, std::string summary)
    : command_(std::move(command)), summary_(std::move(summary)) {
  Add(std::string(kConfig), &config_file_,
      {.help = "YAML file with settings; its keys are these flags without dashes",
       .value_name = "FILE"});
  Add(std::string(kHelp), &help_, {.help = "print this text"});
  Add(std::string(kPrintConfig), &print_config_,
      {.help = "print the effective settings as a --config file"});
}

void Settings::AddSetting(Setting setting) {
  CHECK(Find(setting.name) == nullptr, setting.name, "is in the table twice");
  CHECK(!IsVariableOfSister(program(), VariableOf(setting.name)), setting.name,
        "has a variable that is a sister program's");
  setting.initial = setting.show();
  settings_.push_back(std::move(setting));
}

Setting* Settings::Find(std::string_view name) {
  const auto it = std::find_if(settings_.begin(), settings_.end(),
                               [&](const Setting& setting) { return setting.name == name; });
  return it == settings_.end() ? nullptr : &*it;
}

std::string Settings::program() const { return command_.substr(0, command_.find(' ')); }

std::string Settings::VariableOf(std::string_view name) const {
  return VariableName(VariablePrefix(program()), name);
}

SettingSource Settings::SourceOf(std::string_view name) const {
  const auto it = std::find_if(settings_.begin(), settings_.end(),
                               [&](const Setting& setting) { return setting.name == name; });
  CHECK(it != settings_.end(), name, "is not in the table");
  return it->source;
}

void Settings::IgnoreVariablesOf(const Settings& other) {
  for (const Setting& setting : other.settings_) ignored_variables_.push_back(setting.name);
}

void Settings::AddAlias(std::string name, std::string_view of,
                        std::map<std::string, std::string> means) {
  const Setting* row = Find(of);
  CHECK(row != nullptr, of, "is not in the table");
  Setting alias{.name = std::move(name),
                .knob = {.help = "--" + row->name,
                         .value_name = row->knob.value_name,
                         .secret = row->knob.secret,
                         .group = "other names"},
                .kind = row->kind,
                .type_name = row->type_name,
                .words = row->words,
                .alias_of = row->name};
  if (row->kind == Setting::Kind::kSwitch) {  // as programs write it that have no switches
    alias.kind = Setting::Kind::kValue;
    alias.type_name = "0|1";
    alias.words = {"0", "1"};
  }
  alias.assign = [assign = row->assign, means = std::move(means)](std::vector<std::string> texts) {
    for (std::string& text : texts) {
      if (const auto it = means.find(text); it != means.end()) text = it->second;
    }
    return assign(texts);
  };
  alias.show = [] { return std::vector<std::string>(); };
  AddSetting(std::move(alias));
}

void Settings::AddIgnored(std::string name, Setting::Kind kind, Knob knob) {
  Setting setting{.name = std::move(name), .knob = std::move(knob), .kind = kind};
  setting.type_name = kind == Setting::Kind::kSwitch ? "" : "TEXT";
  setting.assign = [](const std::vector<std::string>&) { return std::nullopt; };
  setting.show = [kind] {
    return kind == Setting::Kind::kSwitch ? std::vector<std::string>{"false"}
                                          : std::vector<std::string>();
  };
  setting.changes_nothing = true;
  AddSetting(std::move(setting));
}

std::vector<std::string> Settings::IgnoredNames() const {
  std::vector<std::string> names;
  for (const Setting& setting : settings_) {
    if (setting.changes_nothing && setting.source != SettingSource::kDefault) {
      names.push_back(setting.name);
    }
  }
  return names;
}

std::optional<std::string> Settings::Parse(int argc, const char* const* argv) {
  SettingsInput input{.variables = Environment()};
  for (int i = 1; i < argc; ++i) input.arguments.emplace_back(argv[i]);
  return Parse(input);
}

// Of one source.
void Settings::Assign(const std::vector<GivenSetting>& given, Problems& problems) {
  std::map<std::string, std::string> origins;  // of the rows that this source sets
  for (const GivenSetting& one : given) {
    Setting* setting = Find(one.name);
    const std::string row = setting->alias_of.empty() ? one.name : setting->alias_of;
    if (const auto [it, is_first] = origins.emplace(row, one.origin); !is_first) {
      problems.push_back(it->second + " and " + one.origin + " set the same: give one of them");
      continue;
    }
    if (one.source == SettingSource::kFile && IsBuiltIn(one.name)) {
      problems.push_back(one.origin + " cannot be set in a file");
      continue;
    }
    if (const std::optional<std::string> expected = setting->assign(one.texts)) {
      const std::string shown = setting->knob.secret ? "(hidden)" : ShownTexts(one.texts);
      problems.push_back(one.origin + " is " + shown + ", expected " + *expected);
    } else {
      setting->source = Find(row)->source = one.source;
    }
  }
}

void Settings::CheckRequired(Problems& problems) const {
  for (const Setting& setting : settings_) {
    if (!setting.knob.required || setting.source != SettingSource::kDefault) continue;
    problems.push_back(setting.name + " is missing: give " +
                       (setting.positional ? "it as an argument, " : "") + "--" + setting.name +
                       ", " + VariableOf(setting.name) + " or a line in the --config file");
  }
}

std::optional<std::string> Settings::Parse(const SettingsInput& input) {
  Problems problems;
  const std::vector<GivenSetting> flags = ReadArguments(input.arguments, settings_, problems);
  const std::vector<GivenSetting> variables = ReadVariables(
      input.variables, {.program = program(), .settings = settings_, .ignored = ignored_variables_},
      problems);
  const auto takes_part = [](const GivenSetting& given, bool built_in) {
    return IsBuiltIn(given.name) == built_in;
  };
  // Which file to read must be known before the file is read; then from weakest to strongest.
  for (const bool built_in : {true, false}) {
    if (!built_in && help_) return Help(TerminalColumns(STDOUT_FILENO, 100));
    if (!built_in && config_file_) {
      Assign(ReadConfigFile(*config_file_, settings_, problems), problems);
    }
    for (const auto* source : {&variables, &flags}) {
      std::vector<GivenSetting> part;
      std::copy_if(source->begin(), source->end(), std::back_inserter(part),
                   [&](const GivenSetting& given) { return takes_part(given, built_in); });
      Assign(part, problems);
    }
  }
  CheckRequired(problems);
  if (!problems.empty()) FailWith(problems);
  if (print_config_) return EffectiveConfig();
  return std::nullopt;
}

std::string Settings::EffectiveConfig() const {
  std::string text = "# " + command_ + "\n";
  for (const Setting& setting : settings_) {
    if (IsBuiltIn(setting.name) || !setting.alias_of.empty() || setting.changes_nothing) continue;
    const std::string source = "  # " + std::string(Name(setting.source)) + "\n";
    const std::vector<std::string> values = setting.show();
    if (setting.knob.secret && !values.empty()) {
      text += "# " + setting.name + ": (hidden)" + source;
    } else if (setting.kind == Setting::Kind::kList) {
      text += setting.name + ":" + (values.empty() ? " []" : "") + source;
      for (const std::string& value : values) text += "  - " + YamlScalar(value) + "\n";
    } else if (values.empty()) {
      text += "# " + setting.name + ":" + source;
    } else {
      text += setting.name + ": " + YamlScalar(values.front()) + source;
    }
  }
  return text;
}

}  // namespace tandem
