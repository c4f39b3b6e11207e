#pragma once
// UTF-8: validation, replacement of what is invalid, decoding, and the Unicode normal forms.
// Pure functions; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

// What stands at the front of some bytes, after table 3-7 of the Unicode standard (section 3.9).
struct Utf8Unit {
  enum class Kind : uint8_t {
    kCharacter,   // one well-formed character
    kInvalid,     // a maximal part that cannot be continued to a character: one U+FFFD
    kUnfinished,  // the bytes end inside of what may become a character
  };
  Kind kind;
  size_t length;  // 1 to 4
};
Utf8Unit ReadUtf8Unit(std::string_view bytes);  // bytes is not empty

bool IsValidUtf8(std::string_view bytes);

// Appends the characters of `bytes`, U+FFFD for each maximal invalid part, and returns how many
// bytes were used. The rest, 0 to 3 bytes, is an unfinished character.
size_t AppendWholeCharacters(std::string_view bytes, std::string* out);

// Every invalid maximal part, an unfinished character at the end too, becomes U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view bytes);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// The character at `*position`, which moves behind it. The text is valid UTF-8.
char32_t NextCharacter(std::string_view text, size_t* position);
void AppendUtf8(char32_t character, std::string* out);

// The property White_Space.
bool IsWhitespace(char32_t character);
// What \w means for the added tokens of the reference tokenizers: letters, marks, decimal digits,
// connectors, joiners.
bool IsWordCharacter(char32_t character);
bool IsMark(char32_t character);

// Of valid UTF-8.
char32_t LastCharacter(std::string_view text);    // text is not empty
size_t LeadingWhitespace(std::string_view text);  // in bytes
size_t TrailingWhitespace(std::string_view text);
std::string ToLowercase(std::string_view text);  // character by character, without context

enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };
// The text is valid UTF-8. Time is n log n whatever the text. As the reference tokenizers', the
// forms are those of Unicode 9: later characters stay as they are.
std::string Normalize(std::string_view text, NormalForm form);

}  // namespace tandem
