#include "engine/text/jinja/characters.h"

#include <string.h>
#include <utf8proc.h>

#include <algorithm>

#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

utf8proc_category_t Category(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(character));
}

void AppendLower(char32_t character, std::string* out) {
  if (character == U'\u0130') {
    *out += "i\u0307";
    return;
  }
  AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character))),
             out);
}

void AppendUpper(char32_t character, std::string* out) {
  if (character == U'\u00DF') {
    *out += "SS";  // the one special casing that common text has
    return;
  }
  AppendUtf8(static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(character))),
             out);
}

bool HasDigitForm(char32_t character) {
  return character == 0xB2 || character == 0xB3 || character == 0xB9 || character == 0x2070 ||
         (character >= 0x2074 && character <= 0x2079) ||
         (character >= 0x2080 && character <= 0x2089) ||
         (character >= 0x2460 && character <= 0x2468);
}

// The character that ends before byte `end`, and where it begins.
size_t BeginOfLast(std::string_view text, size_t end) {
  do {
    --end;
  } while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

template <typename Drops>
std::string_view StrippedIf(std::string_view text, Side side, Drops drops) {
  size_t begin = 0;
  size_t end = text.size();
  while (side != Side::kRight && begin < end) {
    size_t next = begin;
    if (!drops(NextCharacter(text, &next))) break;
    begin = next;
  }
  while (side != Side::kLeft && begin < end) {
    const size_t last = BeginOfLast(text, end);
    size_t at = last;
    if (!drops(NextCharacter(text, &at))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

bool IsPythonSpace(char32_t character) {
  return (character >= 0x1C && character <= 0x1F) || IsWhitespace(character);
}

bool IsAlphabetic(char32_t character) {
  const utf8proc_category_t category = Category(character);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsDecimal(char32_t character) { return Category(character) == UTF8PROC_CATEGORY_ND; }

bool IsDigit(char32_t character) { return IsDecimal(character) || HasDigitForm(character); }

bool IsNumeric(char32_t character) {
  const utf8proc_category_t category = Category(character);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsUpper(char32_t character) { return Category(character) == UTF8PROC_CATEGORY_LU; }

bool IsLower(char32_t character) { return Category(character) == UTF8PROC_CATEGORY_LL; }

bool IsPrintable(char32_t character) {
  if (character == U' ') return true;
  switch (Category(character)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

std::string Upper(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) AppendUpper(NextCharacter(text, &at), &out);
  return out;
}

std::string Lower(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) AppendLower(NextCharacter(text, &at), &out);
  return out;
}

std::string Capitalized(std::string_view text) {
  if (text.empty()) return "";
  size_t at = 0;
  const char32_t first = NextCharacter(text, &at);
  std::string out;
  if (first == U'\u00DF') {
    out = "Ss";
  } else {
    AppendUtf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(first))), &out);
  }
  return out + Lower(text.substr(at));
}

std::string_view Stripped(std::string_view text, Side side) {
  return StrippedIf(text, side, IsPythonSpace);
}

std::string_view Stripped(std::string_view text, Side side, std::string_view set) {
  std::u32string characters;
  for (size_t at = 0; at < set.size();) characters += NextCharacter(set, &at);
  std::sort(characters.begin(), characters.end());
  return StrippedIf(text, side, [&characters](char32_t character) {
    return std::binary_search(characters.begin(), characters.end(), character);
  });
}

size_t ByteOfCharacter(const Text& text, int64_t index) {
  const std::string& bytes = text.bytes;
  if (index >= text.NumCharacters()) return bytes.size();
  if (text.IsAscii()) return static_cast<size_t>(index);
  size_t at = 0;
  while (index > 0) {
    ++at;
    if ((static_cast<unsigned char>(bytes[at]) & 0xC0) != 0x80) --index;
  }
  return at;
}

int64_t CharacterOfByte(const Text& text, size_t byte) {
  if (text.IsAscii()) return static_cast<int64_t>(byte);
  return std::count_if(text.bytes.begin(), text.bytes.begin() + static_cast<std::ptrdiff_t>(byte),
                       [](char next) { return (static_cast<unsigned char>(next) & 0xC0) != 0x80; });
}

std::string_view Characters(const Text& text, int64_t begin, int64_t end) {
  if (begin >= end) return {};
  const size_t first = ByteOfCharacter(text, begin);
  const size_t last = ByteOfCharacter(text, end);
  return std::string_view(text.bytes).substr(first, last - first);
}

// memmem is linear (two-way search); std::string::find is not.
size_t FindText(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t FindLastText(std::string_view text, std::string_view needle) {
  const std::string backwards(text.rbegin(), text.rend());
  const std::string wanted(needle.rbegin(), needle.rend());
  const size_t found = FindText(backwards, wanted);
  return found == std::string_view::npos ? found : text.size() - found - needle.size();
}

}  // namespace tandem::jinja
