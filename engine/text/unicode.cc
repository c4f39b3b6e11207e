#include "engine/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/text/unicode_ranges.h"
#include "kernels/core/check.h"

namespace tandem {
namespace {

struct LeadByte {
  uint8_t length;  // 0: cannot begin a character
  uint8_t second_min;
  uint8_t second_max;
};

LeadByte DescribeLead(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

size_t AsciiPrefix(std::string_view bytes) {
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    if (word & 0x8080808080808080ull) break;
  }
  while (i < bytes.size() && static_cast<uint8_t>(bytes[i]) < 0x80) ++i;
  return i;
}

size_t BeginOfLastCharacter(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

// Canonical order: marks sort by their class inside a run of marks. utf8proc's own pass over a run
// is quadratic, which a hostile text could use.
void OrderMarks(std::vector<utf8proc_int32_t>* characters) {
  auto mark_class = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (size_t i = 0; i < characters->size();) {
    if (mark_class((*characters)[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < characters->size() && mark_class((*characters)[end]) != 0) ++end;
    std::stable_sort(characters->begin() + static_cast<ptrdiff_t>(i),
                     characters->begin() + static_cast<ptrdiff_t>(end),
                     [&](auto a, auto b) { return mark_class(a) < mark_class(b); });
    i = end;
  }
}

bool IsLaterThanNormalForms(char32_t c) {
  const auto& ranges = kLaterThanNormalFormsRanges;
  if (c < ranges.front().first) return false;
  const auto it = std::lower_bound(ranges.begin(), ranges.end(), c,
                                   [](const CharacterRange& r, char32_t x) { return r.last < x; });
  return it != ranges.end() && c >= it->first;
}

// Characters that NFC leaves alone, next to whatever they stand: most of English, Chinese, Japanese
// and Korean. There are more.
bool IsPlain(char32_t c) {
  return c < 0x300 || (c >= 0x2002 && c <= 0x20CF) || (c >= 0x3001 && c <= 0x3029) ||
         (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A0 && c <= 0x9FFF) ||
         (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xFF00 && c <= 0xFFFD) ||
         (c >= 0x1F300 && c <= 0x1FAFF);
}

bool IsPlainText(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    position += AsciiPrefix(text.substr(position));
    if (position < text.size() && !IsPlain(NextCharacter(text, &position))) return false;
  }
  return true;
}

std::vector<utf8proc_int32_t> Decompose(std::string_view text, utf8proc_option_t options) {
  std::vector<utf8proc_int32_t> characters;
  characters.reserve(text.size() + 16);
  size_t position = 0;
  while (position < text.size()) {
    const auto c = static_cast<utf8proc_int32_t>(NextCharacter(text, &position));
    utf8proc_int32_t buffer[32];  // the longest decomposition has 18 characters
    int boundary = 0;
    const auto count = utf8proc_decompose_char(c, buffer, 32, options, &boundary);
    CHECK(count >= 0 && count <= 32, count, c);
    characters.insert(characters.end(), buffer, buffer + count);
  }
  return characters;
}

void AppendNormalized(std::string_view text, NormalForm form, std::string* out) {
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
      (compatible ? UTF8PROC_COMPAT : 0));

  std::vector<utf8proc_int32_t> characters = Decompose(text, options);
  OrderMarks(&characters);
  auto count = static_cast<utf8proc_ssize_t>(characters.size());
  if (compose) {
    count = utf8proc_normalize_utf32(characters.data(), count, options);
    CHECK(count >= 0, count);
  }
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    AppendUtf8(static_cast<char32_t>(characters[static_cast<size_t>(i)]), out);
  }
}

}  // namespace

Utf8Unit ReadUtf8Unit(std::string_view bytes) {
  using Kind = Utf8Unit::Kind;
  const LeadByte lead = DescribeLead(static_cast<uint8_t>(bytes[0]));
  if (lead.length == 0) return {Kind::kInvalid, 1};
  for (size_t i = 1; i < lead.length; ++i) {
    if (i == bytes.size()) return {Kind::kUnfinished, i};
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t min = i == 1 ? lead.second_min : 0x80;
    const uint8_t max = i == 1 ? lead.second_max : 0xBF;
    if (byte < min || byte > max) return {Kind::kInvalid, i};
  }
  return {Kind::kCharacter, lead.length};
}

bool IsValidUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    bytes.remove_prefix(AsciiPrefix(bytes));
    if (bytes.empty()) break;
    const Utf8Unit unit = ReadUtf8Unit(bytes);
    if (unit.kind != Utf8Unit::Kind::kCharacter) return false;
    bytes.remove_prefix(unit.length);
  }
  return true;
}

size_t AppendWholeCharacters(std::string_view bytes, std::string* out) {
  size_t used = 0;
  while (used < bytes.size()) {
    const Utf8Unit unit = ReadUtf8Unit(bytes.substr(used));
    switch (unit.kind) {
      case Utf8Unit::Kind::kCharacter:
        out->append(bytes.substr(used, unit.length));
        break;
      case Utf8Unit::Kind::kInvalid:
        out->append(kReplacementCharacter);
        break;
      case Utf8Unit::Kind::kUnfinished:
        return used;
    }
    used += unit.length;
  }
  return used;
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  if (AppendWholeCharacters(bytes, &out) < bytes.size()) out.append(kReplacementCharacter);
  return out;
}

char32_t NextCharacter(std::string_view text, size_t* position) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data()) + *position;
  if (p[0] < 0x80) {
    *position += 1;
    return p[0];
  }
  if (p[0] < 0xE0) {
    *position += 2;
    return static_cast<char32_t>((p[0] & 0x1F) << 6 | (p[1] & 0x3F));
  }
  if (p[0] < 0xF0) {
    *position += 3;
    return static_cast<char32_t>((p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F));
  }
  *position += 4;
  return static_cast<char32_t>((p[0] & 0x07) << 18 | (p[1] & 0x3F) << 12 | (p[2] & 0x3F) << 6 |
                               (p[3] & 0x3F));
}

void AppendUtf8(char32_t character, std::string* out) {
  utf8proc_uint8_t buffer[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), buffer);
  out->append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(length));
}

bool IsWhitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

char32_t LastCharacter(std::string_view text) {
  size_t position = BeginOfLastCharacter(text);
  return NextCharacter(text, &position);
}

size_t TrailingWhitespace(std::string_view text) {
  size_t size = text.size();
  while (size > 0 && IsWhitespace(LastCharacter(text.substr(0, size)))) {
    size = BeginOfLastCharacter(text.substr(0, size));
  }
  return text.size() - size;
}

size_t LeadingWhitespace(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    size_t next = position;
    if (!IsWhitespace(NextCharacter(text, &next))) break;
    position = next;
  }
  return position;
}

bool IsMark(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

std::string ToLowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const char32_t c = NextCharacter(text, &position);
    if (c == 0x130) {
      out += "i\u0307";  // the only one that becomes two characters
    } else {
      AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), &out);
    }
  }
  return out;
}

bool IsWordCharacter(char32_t c) {
  // Joiners, and letters in circles and squares, which count as alphabetic.
  if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
      (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
      (c >= 0x1F170 && c <= 0x1F189)) {
    return true;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

std::string Normalize(std::string_view text, NormalForm form) {
  if (form == NormalForm::kNfc ? IsPlainText(text) : AsciiPrefix(text) == text.size()) {
    return std::string(text);
  }
  // Characters that the forms do not know stay, and nothing is ordered or composed across them.
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    if (!IsLaterThanNormalForms(NextCharacter(text, &position))) continue;
    AppendNormalized(text.substr(done, begin - done), form, &out);
    out.append(text.substr(begin, position - begin));
    done = position;
  }
  AppendNormalized(text.substr(done), form, &out);
  return out;
}

}  // namespace tandem
