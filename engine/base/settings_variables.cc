// TANDEM_* variables of the environment.

#include <algorithm>

#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/setting_text.h"
#include "engine/base/settings_sources.h"

namespace tandem {
namespace {

constexpr std::string_view kPrefix = "TANDEM_";

// Kubernetes describes every service of a namespace to every container:
// TANDEM_PORT=tcp://10.0.0.1:80, TANDEM_SERVICE_HOST, TANDEM_PORT_80_TCP_ADDR for one named
// "tandem".
bool LooksLikeServiceLink(std::string_view name, std::string_view value) {
  return name.starts_with("TANDEM_SERVICE_") || name.starts_with("TANDEM_PORT_") ||
         (name == "TANDEM_PORT" && value.starts_with("tcp://"));
}

constexpr const char* kServiceLinkHint =
    " (set by Kubernetes for a service named tandem? give the pod enableServiceLinks: false)";

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

std::vector<GivenSetting> ReadVariables(const std::map<std::string, std::string>& variables,
                                        std::span<const Setting> settings,
                                        std::span<const std::string> ignored, Problems& problems) {
  std::vector<std::string> known;
  for (const Setting& setting : settings) known.push_back(VariableName(setting.name));
  std::vector<std::string> valid = known;  // of this table and its sisters
  for (const std::string& other : ignored) valid.push_back(VariableName(other));
  std::vector<GivenSetting> given;
  for (const auto& variable : variables) {  // clang 14 captures no structured bindings
    const std::string& name = variable.first;
    const std::string& value = variable.second;
    if (!name.starts_with(kPrefix)) continue;
    const auto it = std::find(known.begin(), known.end(), name);
    const bool service_link = LooksLikeServiceLink(name, value);
    if (it == known.end()) {
      if (std::find(valid.begin(), valid.end(), name) != valid.end()) continue;
      problems.push_back("unknown variable " + Printable(name, 100) +
                         (service_link ? kServiceLinkHint : DidYouMean(name, valid)));
      continue;
    }
    if (value.empty()) continue;  // how compose files say "not set"
    const Setting& setting = settings[static_cast<size_t>(it - known.begin())];
    if (service_link) {
      problems.push_back(name + " is " + Quoted(value, 100) + kServiceLinkHint);
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
