#include "engine/text/jinja/text_operations.h"

#include <algorithm>

#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

bool IsLineEnd(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

// Between all characters, before the first and behind the last.
std::string Interspersed(Budget& budget, const std::string& text, const Replacement& replacement) {
  std::string out;
  int64_t left = replacement.count < 0 ? INT64_MAX : replacement.count;
  for (size_t at = 0;;) {
    if (left-- > 0) {
      budget.Allocate(replacement.new_part.size());
      out += replacement.new_part;
    }
    if (at >= text.size()) return out;
    const size_t begin = at;
    NextCharacter(text, &at);
    out += text.substr(begin, at - begin);
  }
}

}  // namespace

std::string Replaced(Budget& budget, const std::string& text, const Replacement& replacement) {
  budget.Scan(text.size());
  if (replacement.old_part.empty()) return Interspersed(budget, text, replacement);
  std::string out;
  size_t at = 0;
  for (int64_t i = 0; replacement.count < 0 || i < replacement.count; ++i) {
    const size_t found = FindText(text, replacement.old_part, at);
    if (found == std::string::npos) break;
    budget.Allocate(found - at + replacement.new_part.size());
    out.append(text, at, found - at);
    out += replacement.new_part;
    at = found + replacement.old_part.size();
  }
  budget.Allocate(text.size() - at);
  return out.append(text, at);
}

std::string Justified(Budget& budget, const Text& text, int64_t width, const std::string& fill,
                      Side side) {
  if (Value::Of(fill).text().NumCharacters() != 1) {
    budget.Fail("the fill character must be exactly one character long");
  }
  const int64_t missing = width - text.NumCharacters();
  if (missing <= 0) return text.bytes;
  budget.AllocateRepeated(missing, fill.size());
  // CPython puts the odd one to the left where the width is odd.
  const int64_t centred = missing / 2 + (missing & width & 1);
  const int64_t before = side == Side::kLeft ? 0 : side == Side::kRight ? missing : centred;
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += text.bytes;
  for (int64_t i = before; i < missing; ++i) out += fill;
  return out;
}

std::vector<std::string_view> Lines(std::string_view text, LineEnds ends) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t at = begin;
    size_t end = begin;  // of the line, without what ends it
    while (at < text.size()) {
      end = at;
      const char32_t character = NextCharacter(text, &at);
      if (IsLineEnd(character)) {
        if (character == U'\r' && at < text.size() && text[at] == '\n') ++at;
        break;
      }
      end = at;
    }
    lines.push_back(text.substr(begin, (ends == LineEnds::kKept ? at : end) - begin));
    begin = at;
  }
  return lines;
}

}  // namespace tandem::jinja
