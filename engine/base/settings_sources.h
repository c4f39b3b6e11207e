#pragma once
// Where settings come from: three readers that turn arguments, variables and a file into texts for
// named settings, without judging the texts. Used by Settings only.

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/base/settings.h"

namespace tandem {

struct GivenSetting {
  std::string name;
  std::vector<std::string> texts;
  std::string origin;  // how messages call it: "--port", "TANDEM_PORT", "serve.yaml line 3: port"
  SettingSource source = SettingSource::kFlag;
};

using Problems = std::vector<std::string>;

// Every reader notes names that are not in the table, with a near match, and returns the rest.
std::vector<GivenSetting> ReadArguments(const std::vector<std::string>& arguments,
                                        std::span<const Setting> settings, Problems& problems);

// Of the variables, those of a program: with its prefix, and without that of a sister program
// (TANDEM_TRAIN_ is not tandem's).
struct VariableTable {
  std::string program;  // "tandem-train"
  std::span<const Setting> settings;
  std::span<const std::string> ignored;  // names of knobs that the program's other commands have
};
std::vector<GivenSetting> ReadVariables(const std::map<std::string, std::string>& variables,
                                        const VariableTable& table, Problems& problems);
// Whether a setting of this name would have a variable that is a sister program's.
bool IsVariableOfSister(const std::string& program, const std::string& variable);

std::vector<GivenSetting> ReadConfigFile(const std::filesystem::path& path,
                                         std::span<const Setting> settings, Problems& problems);

// "batch_size" -> "batch-size": the other way to write such a name.
std::string WithDashes(std::string name);

std::vector<std::string> NamesOf(std::span<const Setting> settings);

// A scalar as YAML, quoted where it must be.
std::string YamlScalar(const std::string& text);

}  // namespace tandem
