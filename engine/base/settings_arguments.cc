// Command-line flags, split by CLI11.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>

#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/settings_sources.h"

namespace tandem {
namespace {

// A row of the table and what CLI11 writes into; only the raw results of `option` are used.
struct Bound {
  const Setting* setting;
  CLI::Option* option = nullptr;
  std::string text;
  std::vector<std::string> texts;
};

// "--batch_size", and "--batch-size" unless that is a row of its own.
std::string FlagsOf(const Setting& setting, std::span<const Setting> settings) {
  const std::string flag = "--" + setting.name, dashes = WithDashes(setting.name);
  const bool is_row = std::any_of(settings.begin(), settings.end(),
                                  [&](const Setting& row) { return row.name == dashes; });
  return is_row ? flag : flag + ",--" + dashes;
}

// As the user wrote it.
std::string OriginOf(const Setting& setting, const std::vector<std::string>& arguments) {
  const std::string dashes = "--" + WithDashes(setting.name);
  const bool has_dashes =
      std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
        return argument.substr(0, argument.find('=')) == dashes;
      });
  return has_dashes ? dashes : "--" + setting.name;
}

void Bind(CLI::App& app, std::span<const Setting> settings, Bound& bound) {
  const Setting& setting = *bound.setting;
  const std::string flag = FlagsOf(setting, settings);
  const std::string names = setting.positional ? setting.name + "," + flag : flag;
  switch (setting.kind) {
    case Setting::Kind::kSwitch:
      if (setting.name == "help") {
        bound.option = app.add_flag("-h," + flag, bound.text)->take_last();
        break;
      }
      bound.option = app.add_flag(flag + ",!--no-" + setting.name, bound.text)->take_last();
      break;
    case Setting::Kind::kValue:
      bound.option = app.add_option(names, bound.text)->take_last();
      break;
    case Setting::Kind::kList:
      bound.option = app.add_option(names, bound.texts)->allow_extra_args(setting.positional);
      break;
  }
}

// Flags nobody knows; a stray argument is worth a line only when no flag explains it.
void NoteExtras(const std::vector<std::string>& extras, std::span<const Setting> settings,
                Problems& problems) {
  bool unknown_flag = false;
  for (const std::string& extra : extras) {
    if (extra.size() < 2 || extra.front() != '-') continue;
    unknown_flag = true;
    const std::string flag = extra.substr(0, extra.find('='));
    const std::string name = flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
    problems.push_back("unknown flag " + Printable(flag, 100) +
                       DidYouMean(name, NamesOf(settings), "--"));
  }
  if (unknown_flag) return;
  for (const std::string& extra : extras) {
    problems.push_back("unexpected argument " + Quoted(extra, 100));
  }
}

}  // namespace

std::vector<GivenSetting> ReadArguments(const std::vector<std::string>& arguments,
                                        std::span<const Setting> settings, Problems& problems) {
  CLI::App app;
  app.set_help_flag("");  // --help is a row of the table
  app.allow_extras();
  std::deque<Bound> bounds;  // addresses stay
  for (const Setting& setting : settings) {
    bounds.push_back({&setting});
    Bind(app, settings, bounds.back());
  }
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    problems.push_back(Printable(error.what(), 300));
    return {};
  }
  NoteExtras(app.remaining(), settings, problems);
  std::vector<GivenSetting> given;
  for (const Bound& bound : bounds) {
    if (bound.option->count() == 0) continue;
    std::vector<std::string> texts = bound.option->results();
    if (bound.setting->kind != Setting::Kind::kList) texts = {texts.back()};
    given.push_back({.name = bound.setting->name,
                     .texts = std::move(texts),
                     .origin = OriginOf(*bound.setting, arguments),
                     .source = SettingSource::kFlag});
  }
  return given;
}

}  // namespace tandem
