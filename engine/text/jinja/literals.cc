#include "engine/text/jinja/literals.h"

#include <charconv>

#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// Up to `max` digits; their number is what must be there when `exact`.
std::optional<char32_t> ReadDigits(std::string_view text, size_t* at, int base, size_t max,
                                   bool exact) {
  char32_t value = 0;
  size_t count = 0;
  for (; count < max && *at < text.size() && DigitValue(text[*at]) < base; ++count, ++*at) {
    value = value * static_cast<char32_t>(base) + static_cast<char32_t>(DigitValue(text[*at]));
  }
  if (exact && count < max) return std::nullopt;
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return std::nullopt;
  return value;
}

// The escape behind a backslash at `*at`.
bool AppendEscape(std::string_view text, size_t* at, std::string* out) {
  static constexpr std::string_view kLetters = "\\'\"abfnrtv";
  static constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  const char letter = text[*at];
  if (const size_t found = kLetters.find(letter); found != kLetters.npos) {
    *out += kMeanings[found];
    ++*at;
    return true;
  }
  if (letter == '\n') {  // the line goes on
    ++*at;
    return true;
  }
  std::optional<char32_t> character;
  if (letter >= '0' && letter <= '7') {
    character = ReadDigits(text, at, 8, 3, false);
  } else if (letter == 'x' || letter == 'u' || letter == 'U') {
    ++*at;
    character = ReadDigits(text, at, 16, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, true);
  } else if (letter == 'N') {
    return false;  // names of characters
  } else {
    *out += '\\';
    return true;
  }
  if (!character) return false;
  AppendUtf8(*character, out);
  return true;
}

// Behind the digits of one run, which underscores may separate; `at` when there are none.
size_t EndOfDigits(std::string_view text, size_t at, int base) {
  if (at >= text.size() || DigitValue(text[at]) >= base) return at;
  while (at < text.size()) {
    if (DigitValue(text[at]) < base) {
      ++at;
    } else if (text[at] == '_' && at + 1 < text.size() && DigitValue(text[at + 1]) < base) {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

std::string WithoutUnderscores(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  return digits;
}

size_t DoubleLength(std::string_view text) {
  size_t at = EndOfDigits(text, 0, 10);
  if (at == 0) return 0;
  bool is_double = false;
  if (at < text.size() && text[at] == '.') {
    const size_t end = EndOfDigits(text, at + 1, 10);
    if (end > at + 1) {
      at = end;
      is_double = true;
    }
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    size_t digits = at + 1;
    if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) ++digits;
    const size_t end = EndOfDigits(text, digits, 10);
    if (end > digits) return end;
  }
  return is_double ? at : 0;
}

NumberLiteral ReadInteger(std::string_view text) {
  NumberLiteral literal;
  int base = 10;
  size_t begin = 0;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    base = letter == 'b' ? 2 : letter == 'o' ? 8 : letter == 'x' ? 16 : 10;
    if (base != 10) begin = text.size() > 2 && text[2] == '_' ? 3 : 2;
  }
  size_t end = EndOfDigits(text, begin, base);
  if (base != 10 && end == begin) {  // "0x" without digits: a zero and a name
    base = 10;
    begin = 0;
    end = 1;
  }
  if (base == 10 && text[0] == '0') {
    end = 1;
    while (end < text.size() && (text[end] == '0' || (text[end] == '_' && end + 1 < text.size() &&
                                                      text[end + 1] == '0'))) {
      ++end;
    }
  }
  const std::string digits = WithoutUnderscores(text.substr(begin, end - begin));
  const auto result =
      std::from_chars(digits.data(), digits.data() + digits.size(), literal.integer, base);
  literal.too_large = result.ec == std::errc::result_out_of_range;
  literal.length = end;
  return literal;
}

}  // namespace

std::optional<std::string> UnescapedString(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t backslash = std::min(text.find('\\', at), text.size());
    out += text.substr(at, backslash - at);
    at = backslash + 1;
    if (backslash >= text.size()) break;
    if (at >= text.size() || !AppendEscape(text, &at, &out)) return std::nullopt;
  }
  return out;
}

NumberLiteral ReadNumberLiteral(std::string_view text, bool may_be_double) {
  if (text.empty() || DigitValue(text[0]) > 9) return {};
  const size_t length = may_be_double ? DoubleLength(text) : 0;
  if (length == 0) return ReadInteger(text);
  NumberLiteral literal{.length = length, .is_double = true};
  const std::string digits = WithoutUnderscores(text.substr(0, length));
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), literal.number);
  literal.too_large = result.ec == std::errc::result_out_of_range;
  return literal;
}

}  // namespace tandem::jinja
