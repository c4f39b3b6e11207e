#include "engine/base/quantity.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <span>

namespace tandem {
namespace {

struct Unit {
  std::string_view name;
  double scale;
};

constexpr double kKi = 1024.0;
constexpr std::array<Unit, 16> kByteUnits{{{"", 1.0},
                                           {"b", 1.0},
                                           {"k", kKi},
                                           {"kib", kKi},
                                           {"kb", 1e3},
                                           {"m", kKi* kKi},
                                           {"mib", kKi* kKi},
                                           {"mb", 1e6},
                                           {"g", kKi* kKi* kKi},
                                           {"gib", kKi* kKi* kKi},
                                           {"gb", 1e9},
                                           {"t", kKi* kKi* kKi* kKi},
                                           {"tib", kKi* kKi* kKi* kKi},
                                           {"tb", 1e12},
                                           {"pib", kKi* kKi* kKi* kKi* kKi},
                                           {"pb", 1e15}}};
constexpr std::array<Unit, 6> kTimeUnits{
    {{"", 1e3}, {"ms", 1.0}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}}};

// A number followed by one of the units. Integers are exact to 2^63 - 1, fractions are rounded.
std::optional<int64_t> ParseQuantity(std::string_view text, std::span<const Unit> units) {
  const size_t split = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, split);
  std::string unit_name(text.substr(split));
  while (!unit_name.empty() && unit_name.front() == ' ') unit_name.erase(0, 1);
  for (char& c : unit_name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const Unit& unit : units) {
    if (unit.name != unit_name) continue;
    int64_t whole = 0;
    const char* end = number.data() + number.size();
    if (auto [at, error] = std::from_chars(number.data(), end, whole);
        error == std::errc() && at == end) {
      int64_t product = 0;
      if (__builtin_mul_overflow(whole, static_cast<int64_t>(unit.scale), &product)) return {};
      return product;
    }
    double value = 0.0;
    if (auto [at, error] = std::from_chars(number.data(), end, value);
        error != std::errc() || at != end) {
      return {};
    }
    const double scaled = std::round(value * unit.scale);
    if (!(scaled < 9.2e18)) return {};
    return static_cast<int64_t>(scaled);
  }
  return {};
}

constexpr std::array<std::string_view, 5> kBinaryNames{"B", "KiB", "MiB", "GiB", "TiB"};

}  // namespace

std::optional<int64_t> ParseBytes(std::string_view text) { return ParseQuantity(text, kByteUnits); }

std::string FormatBytes(int64_t bytes) {
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (std::abs(value) >= kKi && unit + 1 < kBinaryNames.size()) {
    value /= kKi;
    ++unit;
  }
  std::string number = fmt::format("{:.2f}", value);
  while (number.back() == '0') number.pop_back();
  if (number.back() == '.') number.pop_back();
  return number + " " + std::string(kBinaryNames[unit]);
}

std::string ExactBytes(int64_t bytes) {
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kBinaryNames.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + (unit == 0 ? "" : std::string(kBinaryNames[unit]));
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  const std::optional<int64_t> value = ParseQuantity(text, kTimeUnits);
  if (!value) return {};
  return std::chrono::milliseconds(*value);
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  const int64_t value = duration.count();
  if (value % 1000 == 0) return std::to_string(value / 1000) + "s";
  return std::to_string(value) + "ms";
}

std::string FormatCount(int64_t count) {
  std::string digits = std::to_string(count);
  const size_t first = count < 0 ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace tandem
