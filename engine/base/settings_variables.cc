// TANDEM_* variables of the environment.

#include <algorithm>
#include <array>

#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/setting_text.h"
#include "engine/base/settings_sources.h"

namespace tandem {
namespace {

// Those with settings. One environment serves all of them.
constexpr std::array kPrograms = {"tandem", "tandem-train", "tandem-loadtest"};

// Kubernetes describes every service of a namespace to every container:
// TANDEM_PORT=tcp://10.0.0.1:80, TANDEM_SERVICE_HOST, TANDEM_PORT_80_TCP_ADDR for one named
// "tandem".
bool LooksLikeServiceLink(const std::string& prefix, std::string_view name,
                          std::string_view value) {
  return name.starts_with(prefix + "SERVICE_") || name.starts_with(prefix + "PORT_") ||
         (name == prefix + "PORT" && value.starts_with("tcp://"));
}

std::string ServiceLinkHint(const std::string& program) {
  return " (set by Kubernetes for a service named " + program +
         "? give the pod enableServiceLinks: false)";
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

bool IsVariableOfSister(const std::string& program, const std::string& variable) {
  const std::string prefix = VariablePrefix(program);
  return std::ranges::any_of(kPrograms, [&](const char* other) {
    const std::string longer = VariablePrefix(other);
    return longer.size() > prefix.size() && longer.starts_with(prefix) &&
           variable.starts_with(longer);
  });
}

std::vector<GivenSetting> ReadVariables(const std::map<std::string, std::string>& variables,
                                        const VariableTable& table, Problems& problems) {
  const std::string prefix = VariablePrefix(table.program);
  const std::string hint = ServiceLinkHint(table.program);
  std::vector<std::string> known;
  for (const Setting& setting : table.settings) {
    known.push_back(VariableName(prefix, setting.name));
  }
  std::vector<std::string> valid = known;  // of all the program's commands
  for (const std::string& other : table.ignored) valid.push_back(VariableName(prefix, other));
  std::vector<GivenSetting> given;
  for (const auto& variable : variables) {  // clang 14 captures no structured bindings
    const std::string& name = variable.first;
    const std::string& value = variable.second;
    if (!name.starts_with(prefix) || IsVariableOfSister(table.program, name)) continue;
    const auto it = std::find(known.begin(), known.end(), name);
    const bool service_link = LooksLikeServiceLink(prefix, name, value);
    if (it == known.end()) {
      if (std::find(valid.begin(), valid.end(), name) != valid.end()) continue;
      problems.push_back("unknown variable " + Printable(name, 100) +
                         (service_link ? hint : DidYouMean(name, valid)));
      continue;
    }
    if (value.empty()) continue;  // how compose files say "not set"
    const Setting& setting = table.settings[static_cast<size_t>(it - known.begin())];
    if (service_link) {
      problems.push_back(name + " is " + Quoted(value, 100) + hint);
      continue;
    }
    given.push_back({.name = setting.name,
                     .texts = setting.kind == Setting::Kind::kList
                                  ? SplitAtCommas(value)
                                  : std::vector<std::string>{value},
                     .origin = name,
                     .source = SettingSource::kVariable});
  }
  return given;
}

}  // namespace tandem
