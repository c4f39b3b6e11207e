// The --config file, parsed by yaml-cpp: one mapping whose keys are long flag names.

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <string_view>

#include "engine/base/mapped_file.h"
#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/settings_sources.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

// The byte where `text` stops being UTF-8; its size when it does not.
size_t ValidUtf8Bytes(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t bytes = Utf8SequenceBytes(text.substr(at));
    if (bytes == 0) break;
    at += bytes;
  }
  return at;
}

std::optional<YAML::Node> LoadYaml(const std::filesystem::path& path, Problems& problems) {
  const std::string name = Printable(path.string(), 300);
  try {
    const MappedFile file(path);
    if (file.bytes().size() > kMaxFileBytes) {
      problems.push_back(name + " has " + std::to_string(file.bytes().size()) +
                         " bytes, more than the limit of " + std::to_string(kMaxFileBytes));
      return std::nullopt;
    }
    const std::string text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    if (const size_t valid = ValidUtf8Bytes(text); valid < text.size()) {
      problems.push_back(name + " is not UTF-8 text, at byte " + std::to_string(valid));
      return std::nullopt;
    }
    return YAML::Load(text);
  } catch (const FormatError& error) {
    problems.push_back(error.what());
  } catch (const YAML::Exception& error) {
    problems.push_back(name + ": " + Printable(error.what(), 300));
  }
  return std::nullopt;
}

// The texts of a scalar or of a list of scalars; none when it is neither.
std::optional<std::vector<std::string>> TextsOf(const YAML::Node& value, Setting::Kind kind) {
  if (value.IsScalar()) return std::vector<std::string>{value.Scalar()};
  if (!value.IsSequence() || kind != Setting::Kind::kList) return std::nullopt;
  std::vector<std::string> texts;
  for (const YAML::Node& element : value) {
    if (!element.IsScalar()) return std::nullopt;
    texts.push_back(element.Scalar());
  }
  return texts;
}

}  // namespace

std::vector<GivenSetting> ReadConfigFile(const std::filesystem::path& path,
                                         std::span<const Setting> settings, Problems& problems) {
  const std::optional<YAML::Node> root = LoadYaml(path, problems);
  if (!root || root->IsNull()) return {};
  const std::string file = Printable(path.string(), 300);
  if (!root->IsMap()) {
    problems.push_back(file + " is not a mapping of flag names to values");
    return {};
  }
  std::vector<GivenSetting> given;
  std::set<std::string> seen;
  for (const auto& pair : *root) {
    const YAML::Node& key = pair.first;
    const YAML::Node& value = pair.second;
    const std::string line = file + " line " + std::to_string(key.Mark().line + 1);
    if (!key.IsScalar()) {
      problems.push_back(line + ": a key is not a name");
      continue;
    }
    const std::string& name = key.Scalar();
    auto setting = std::find_if(settings.begin(), settings.end(),
                                [&](const Setting& row) { return row.name == name; });
    if (setting == settings.end()) {
      setting = std::find_if(settings.begin(), settings.end(),
                             [&](const Setting& row) { return WithDashes(row.name) == name; });
    }
    if (setting == settings.end()) {
      problems.push_back(line + ": unknown key " + Quoted(name, 100) +
                         DidYouMean(name, NamesOf(settings)));
    } else if (!seen.insert(setting->name).second) {
      problems.push_back(line + ": " + name + " stands twice");
    } else if (auto texts = TextsOf(value, setting->kind)) {
      given.push_back({setting->name, std::move(*texts), line + ": " + name, SettingSource::kFile});
    } else {
      problems.push_back(line + ": " + name +
                         (setting->kind == Setting::Kind::kList
                              ? " is not a value or a list of values"
                              : " is not a single value"));
    }
  }
  return given;
}

std::string YamlScalar(const std::string& text) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_./+-").find(c) != std::string_view::npos;
  };
  const bool plain = !text.empty() && text != "null" && text != "Null" && text != "NULL" &&
                     text.front() != '-' && std::all_of(text.begin(), text.end(), is_plain);
  if (plain) return text;
  YAML::Emitter out;
  out << YAML::DoubleQuoted << text;
  return out.c_str();
}

}  // namespace tandem
