#pragma once
// Python's view of characters: what is white space, a letter, a digit, printable; upper and lower
// case; positions counted in characters. All text is valid UTF-8. Pure functions, any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/text/jinja/value.h"

namespace tandem::jinja {

bool IsPythonSpace(char32_t character);
bool IsAlphabetic(char32_t character);
bool IsDecimal(char32_t character);
bool IsDigit(char32_t character);    // superscripts too
bool IsNumeric(char32_t character);  // fractions too
bool IsUpper(char32_t character);
bool IsLower(char32_t character);
bool IsPrintable(char32_t character);

std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
// The first character in title case, the rest lower.
std::string Capitalized(std::string_view text);

enum class Side : uint8_t { kLeft, kRight, kBoth };
// Without the characters of `set` at the ends; without white space when there is no set.
std::string_view Stripped(std::string_view text, Side side);
std::string_view Stripped(std::string_view text, Side side, std::string_view set);

// The byte where character `index` begins; the size of the text when it has no more.
size_t ByteOfCharacter(const Text& text, int64_t index);
int64_t CharacterOfByte(const Text& text, size_t byte);
// The characters [begin, end).
std::string_view Characters(const Text& text, int64_t begin, int64_t end);

// The first place of `needle` at or behind `from`, else npos. Linear, whatever the texts.
size_t FindText(std::string_view text, std::string_view needle, size_t from = 0);
size_t FindLastText(std::string_view text, std::string_view needle);

}  // namespace tandem::jinja
