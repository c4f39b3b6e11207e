// The types of settings: how each is read from text and shown.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "engine/base/near_match.h"
#include "engine/base/quantity.h"
#include "engine/base/settings.h"
#include "kernels/core/check.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

// How one type reads and writes itself. `noun` completes "expected ...".
template <typename T>
struct Traits;

template <typename T>
std::optional<T> ParseWhole(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

template <std::integral T>
struct Traits<T> {
  static constexpr const char* kTypeName = "INT";
  static constexpr const char* kNoun = "an integer";
  static std::optional<T> Parse(const std::string& text) { return ParseWhole<T>(text); }
  static std::string Show(T value) { return std::to_string(value); }
  static double Magnitude(T value) { return static_cast<double>(value); }
};

template <std::floating_point T>
struct Traits<T> {
  static constexpr const char* kTypeName = "NUMBER";
  static constexpr const char* kNoun = "a number";
  static std::optional<T> Parse(const std::string& text) {
    const std::optional<T> value = ParseWhole<T>(text);
    return value && std::isfinite(*value) ? value : std::nullopt;
  }
  static std::string Show(T value) { return fmt::format("{}", value); }
  static double Magnitude(T value) { return static_cast<double>(value); }
};

template <>
struct Traits<std::string> {
  static constexpr const char* kTypeName = "TEXT";
  static constexpr const char* kNoun = "text";
  static std::optional<std::string> Parse(const std::string& text) { return text; }
  static std::string Show(const std::string& value) { return value; }
};

template <>
struct Traits<std::filesystem::path> {
  static constexpr const char* kTypeName = "PATH";
  static constexpr const char* kNoun = "a path";
  static std::optional<std::filesystem::path> Parse(const std::string& text) { return text; }
  static std::string Show(const std::filesystem::path& value) { return value.string(); }
};

template <>
struct Traits<milliseconds> {
  static constexpr const char* kTypeName = "TIME";
  static constexpr const char* kNoun = "a time such as 500ms, 30s or 5m";
  static std::optional<milliseconds> Parse(const std::string& text) { return ParseDuration(text); }
  static std::string Show(milliseconds value) { return FormatDuration(value); }
  static double Magnitude(milliseconds value) { return static_cast<double>(value.count()); }
};

// int64_t that is read and shown as a size.
struct Bytes {
  int64_t value = 0;
};

template <>
struct Traits<Bytes> {
  static constexpr const char* kTypeName = "SIZE";
  static constexpr const char* kNoun = "a size such as 512MiB or 4GB";
  static std::optional<Bytes> Parse(const std::string& text) {
    const std::optional<int64_t> bytes = ParseBytes(text);
    if (!bytes) return std::nullopt;
    return Bytes{*bytes};
  }
  static std::string Show(Bytes bytes) { return ExactBytes(bytes.value); }
  static double Magnitude(Bytes bytes) { return static_cast<double>(bytes.value); }
};

// A limit in the units that the value is written in.
template <typename T>
std::string ShowLimit(double limit) {
  if constexpr (std::is_same_v<T, Bytes>) {
    return ExactBytes(static_cast<int64_t>(limit));
  } else if constexpr (std::is_same_v<T, milliseconds>) {
    return FormatDuration(milliseconds(static_cast<int64_t>(limit)));
  } else {
    return fmt::format("{}", limit);
  }
}

template <typename T>
std::string Expectation(const Knob& knob) {
  std::string text = Traits<T>::kNoun;
  if (knob.above) text += " above " + ShowLimit<T>(*knob.above);
  if (knob.min && knob.max) {
    return text + " from " + ShowLimit<T>(*knob.min) + " to " + ShowLimit<T>(*knob.max);
  }
  if (knob.min) text += " of at least " + ShowLimit<T>(*knob.min);
  if (knob.max) text += (knob.above ? " and at most " : " of at most ") + ShowLimit<T>(*knob.max);
  return text;
}

template <typename T>
bool InRange(const Knob& knob, const T& value) {
  if constexpr (requires { Traits<T>::Magnitude(value); }) {
    const double magnitude = Traits<T>::Magnitude(value);
    return !(knob.min && magnitude < *knob.min) && !(knob.max && magnitude > *knob.max) &&
           !(knob.above && magnitude <= *knob.above);
  }
  return true;
}

// A row whose value is stored by `store` and loaded (none: unset) by `load`.
template <typename T, typename Store, typename Load>
Setting ValueSetting(std::string name, Knob knob, Store store, Load load) {
  Setting setting{.name = std::move(name), .knob = knob, .type_name = Traits<T>::kTypeName};
  setting.assign = [knob,
                    store](const std::vector<std::string>& texts) -> std::optional<std::string> {
    const std::optional<T> value = Traits<T>::Parse(texts.back());
    if (!value || !InRange<T>(knob, *value)) return Expectation<T>(knob);
    store(*value);
    return std::nullopt;
  };
  setting.show = [load]() -> std::vector<std::string> {
    const std::optional<T> value = load();
    if (!value) return {};
    return {Traits<T>::Show(*value)};
  };
  const std::optional<T> initial = load();
  CHECK(!initial || InRange<T>(knob, *initial) || knob.required, setting.name,
        "has a default out of its range");
  return setting;
}

template <typename T>
Setting PlainSetting(std::string name, T* value, Knob knob) {
  return ValueSetting<T>(
      std::move(name), std::move(knob), [value](const T& parsed) { *value = parsed; },
      [value]() -> std::optional<T> { return *value; });
}

template <typename T>
Setting OptionalSetting(std::string name, std::optional<T>* value, Knob knob) {
  return ValueSetting<T>(
      std::move(name), std::move(knob), [value](const T& parsed) { *value = parsed; },
      [value] { return *value; });
}

std::optional<bool> ParseSwitch(std::string_view text) {
  for (std::string_view word : {"true", "yes", "on", "1", "True", "TRUE"}) {
    if (text == word) return true;
  }
  for (std::string_view word : {"false", "no", "off", "0", "False", "FALSE"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

}  // namespace

void Settings::Add(std::string name, bool* value, Knob knob) {
  Setting setting{.name = std::move(name), .knob = std::move(knob), .kind = Setting::Kind::kSwitch};
  setting.assign = [value](const std::vector<std::string>& texts) -> std::optional<std::string> {
    const std::optional<bool> parsed = ParseSwitch(texts.back());
    if (!parsed) return "true or false";
    *value = *parsed;
    return std::nullopt;
  };
  setting.show = [value] { return std::vector<std::string>{*value ? "true" : "false"}; };
  AddSetting(std::move(setting));
}

void Settings::Add(std::string name, int32_t* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, int64_t* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, uint64_t* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, float* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, double* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, std::string* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, std::filesystem::path* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, milliseconds* value, Knob knob) {
  AddSetting(PlainSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, std::optional<int64_t>* value, Knob knob) {
  AddSetting(OptionalSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, std::optional<uint64_t>* value, Knob knob) {
  AddSetting(OptionalSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, std::optional<double>* value, Knob knob) {
  AddSetting(OptionalSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, std::optional<std::string>* value, Knob knob) {
  AddSetting(OptionalSetting(std::move(name), value, std::move(knob)));
}
void Settings::Add(std::string name, std::optional<std::filesystem::path>* value, Knob knob) {
  AddSetting(OptionalSetting(std::move(name), value, std::move(knob)));
}

void Settings::AddBytes(std::string name, int64_t* value, Knob knob) {
  AddSetting(ValueSetting<Bytes>(
      std::move(name), std::move(knob), [value](Bytes bytes) { *value = bytes.value; },
      [value] { return std::optional(Bytes{*value}); }));
}

void Settings::Add(std::string name, std::vector<std::string>* value, Knob knob) {
  Setting setting{.name = std::move(name),
                  .knob = std::move(knob),
                  .kind = Setting::Kind::kList,
                  .type_name = "TEXT"};
  setting.assign = [value](const std::vector<std::string>& texts) -> std::optional<std::string> {
    *value = texts;
    return std::nullopt;
  };
  setting.show = [value] { return *value; };
  AddSetting(std::move(setting));
}

void Settings::AddWords(std::string name, std::vector<std::string> words,
                        std::function<void(size_t)> store, std::function<size_t()> load,
                        Knob knob) {
  CHECK(load() < words.size(), name, "has a default that is none of its words");
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : "|") + word;
  Setting setting{
      .name = std::move(name), .knob = std::move(knob), .type_name = joined, .words = words};
  setting.assign = [words, joined,
                    store](const std::vector<std::string>& texts) -> std::optional<std::string> {
    const auto word = std::find(words.begin(), words.end(), texts.back());
    if (word == words.end()) return "one of " + joined + DidYouMean(texts.back(), words);
    store(static_cast<size_t>(word - words.begin()));
    return std::nullopt;
  };
  setting.show = [words, load] { return std::vector<std::string>{words[load()]}; };
  AddSetting(std::move(setting));
}

}  // namespace tandem
