#pragma once
// Python's literals of strings and numbers. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tandem::jinja {

// The text between the quotes with its escapes resolved, or nothing when one is malformed.
std::optional<std::string> UnescapedString(std::string_view text);

struct NumberLiteral {
  size_t length = 0;  // 0: no number stands here
  bool is_double = false;
  bool too_large = false;  // beyond 64 bits
  int64_t integer = 0;
  double number = 0.0;
};
// The number at the front of `text`. `may_be_double`: not behind a dot, as in `a.0.1`.
NumberLiteral ReadNumberLiteral(std::string_view text, bool may_be_double);

}  // namespace tandem::jinja
