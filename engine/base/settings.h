#pragma once
// The one table of a command's knobs: name, type, default, range, help. It feeds command-line
// flags, a YAML file (--config), variables, --help and --print-config. Precedence: flag, variable,
// file, default. Unknown names and bad values are ConfigErrors, all listed at once. Each program
// has variables of its own: TANDEM_PORT is --port of tandem, TANDEM_TRAIN_SEED is --seed of
// tandem-train, and neither program minds the other's.
//
//   ServeOptions options;                       // its initial values are the defaults
//   Settings settings("tandem serve", "Serves a model over HTTP.");
//   settings.AddPositional("model", &options.model, {.help = "model directory", .required = true});
//   settings.Add("port", &options.port, {.help = "TCP port", .min = 0, .max = 65535});
//   if (auto text = settings.Parse(argc, argv)) { write *text to stdout; return; }
//
// Used by one thread, before anything else runs. Bound variables must outlive the object.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem {

// What a knob has besides its name and variable.
struct Knob {
  std::string help;
  std::string value_name;     // in --help; empty: the type's own (INT, PATH, ...)
  std::optional<double> min;  // numbers; sizes in bytes, durations in milliseconds
  std::optional<double> max;
  std::optional<double> above;  // like min, itself excluded
  bool required = false;
  bool secret = false;  // never shown: --print-config and messages hide the value
  std::string group;    // heading in --help
};

enum class SettingSource : uint8_t { kDefault, kFile, kVariable, kFlag };

std::string_view Name(SettingSource source);

// One row of the table. Settings makes them; the readers of flags, variables and file look them up.
struct Setting {
  enum class Kind : uint8_t { kSwitch, kValue, kList };

  std::string name;  // the long flag without its dashes
  Knob knob;
  Kind kind = Kind::kValue;
  bool positional = false;
  std::string type_name;           // "INT", or the choices "cpu|cuda"
  std::vector<std::string> words;  // the choices; empty for every other type
  // Stores the value, or returns what was expected instead.
  std::function<std::optional<std::string>(const std::vector<std::string>&)> assign;
  // The present value as `assign` reads it; empty when an optional is unset or a list is empty.
  std::function<std::vector<std::string>()> show;
  std::vector<std::string> initial;  // what `show` gave when the row was added: the default
  std::string alias_of;              // the row that this is another name of; empty: of none
  bool changes_nothing = false;      // AddIgnored
  SettingSource source = SettingSource::kDefault;
};

struct GivenSetting;  // settings_sources.h

// What a command reads its settings from; tests give their own.
struct SettingsInput {
  std::vector<std::string> arguments;            // without the program's name
  std::map<std::string, std::string> variables;  // the environment; other programs' are ignored
};

class Settings {
 public:
  Settings(std::string command, std::string summary);
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  void Add(std::string name, bool* value, Knob knob);  // --name, --no-name, --name=false
  void Add(std::string name, int32_t* value, Knob knob);
  void Add(std::string name, int64_t* value, Knob knob);
  void Add(std::string name, uint64_t* value, Knob knob);
  void Add(std::string name, float* value, Knob knob);
  void Add(std::string name, double* value, Knob knob);
  void Add(std::string name, std::string* value, Knob knob);
  void Add(std::string name, std::filesystem::path* value, Knob knob);
  void Add(std::string name, std::chrono::milliseconds* value, Knob knob);  // "30s", "500ms"
  void Add(std::string name, std::optional<int64_t>* value, Knob knob);
  void Add(std::string name, std::optional<uint64_t>* value, Knob knob);
  void Add(std::string name, std::optional<double>* value, Knob knob);
  void Add(std::string name, std::optional<std::string>* value, Knob knob);
  void Add(std::string name, std::optional<std::filesystem::path>* value, Knob knob);
  // Repeated flags, a YAML list, a variable split at commas.
  void Add(std::string name, std::vector<std::string>* value, Knob knob);
  // "512MiB", "4G".
  void AddBytes(std::string name, int64_t* value, Knob knob);
  // One of some words.
  template <typename Enum>
  void AddChoice(std::string name, Enum* value, std::vector<std::pair<std::string, Enum>> choices,
                 Knob knob) {
    std::vector<std::string> words;
    for (const auto& choice : choices) words.push_back(choice.first);
    AddWords(
        std::move(name), std::move(words),
        [value, choices](size_t index) { *value = choices[index].second; },
        [value, choices] {
          size_t index = 0;
          while (index < choices.size() && choices[index].second != *value) ++index;
          return index;
        },
        std::move(knob));
  }
  // Also an argument without a flag, in the order of these calls. A list takes all that are left.
  template <typename T>
  void AddPositional(std::string name, T* value, Knob knob) {
    Add(std::move(name), value, std::move(knob));
    settings_.back().positional = true;
  }
  // Another program's name for a knob that was added before. `means`: its words for values. A name
  // with underscores may be written with dashes too.
  void AddAlias(std::string name, std::string_view of,
                std::map<std::string, std::string> means = {});
  // Another program's knob that has nothing to set here: any value is taken, and nothing changes.
  void AddIgnored(std::string name, Setting::Kind kind, Knob knob);
  // The names of those that were given.
  std::vector<std::string> IgnoredNames() const;
  // A knob of another command of this program: its variable may be set here and is not an error.
  void IgnoreVariable(std::string name) { ignored_variables_.push_back(std::move(name)); }
  void IgnoreVariablesOf(const Settings& other);  // all its knobs
  // The same of the table that `add` makes.
  template <typename Options>
  void IgnoreVariablesOf(void (*add)(Settings&, Options&)) {
    Options options;
    Settings other(command_, "");
    add(other, options);
    IgnoreVariablesOf(other);
  }

  // Fills the bound variables. A returned text (--help, --print-config) is for main to print before
  // it exits with success. Throws ConfigError; its message does not repeat the command's name.
  std::optional<std::string> Parse(int argc, const char* const* argv);
  std::optional<std::string> Parse(const SettingsInput& input);

  // Where a knob's value came from; kDefault when nobody set it.
  SettingSource SourceOf(std::string_view name) const;
  bool IsSet(std::string_view name) const { return SourceOf(name) != SettingSource::kDefault; }

  // The table, for who tells others of it (--help, completion scripts, manual pages).
  const std::string& summary() const { return summary_; }
  const std::vector<Setting>& rows() const { return settings_; }

  // The variable that sets a knob: "TANDEM_PORT" of tandem's "port".
  std::string VariableOf(std::string_view name) const;

  std::string Help(int columns) const;
  // The effective settings as a file that --config reads back, each with its source.
  std::string EffectiveConfig() const;

 private:
  std::string program() const;  // the command's first word
  void AddSetting(Setting setting);
  void AddWords(std::string name, std::vector<std::string> words, std::function<void(size_t)> store,
                std::function<size_t()> load, Knob knob);
  Setting* Find(std::string_view name);
  void Assign(const std::vector<GivenSetting>& given, std::vector<std::string>& problems);
  void CheckRequired(std::vector<std::string>& problems) const;

  std::string command_;
  std::string summary_;
  std::vector<Setting> settings_;
  std::vector<std::string> ignored_variables_;
  std::optional<std::filesystem::path> config_file_;
  bool help_ = false;
  bool print_config_ = false;
};

}  // namespace tandem
