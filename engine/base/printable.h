#pragma once
// Text from outside made safe to put on one line of a log, a terminal or an error message: control
// characters, invalid UTF-8 and line separators are escaped, long text is cut. Pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace tandem {

inline constexpr size_t kMaxPrintableBytes = 1024;

// `text` with every byte or code point that could break a line or drive a terminal written as \n,
// \t, \xNN or \uNNNN, and backslashes doubled. What exceeds max_bytes of input is replaced by
// "...".
std::string Printable(std::string_view text, size_t max_bytes = kMaxPrintableBytes);

// The same between double quotes, with quotes inside escaped.
std::string Quoted(std::string_view text, size_t max_bytes = kMaxPrintableBytes);

// The number of bytes of the valid UTF-8 sequence at the start of `text`; 0 when there is none.
// Overlong forms, surrogates and code points above U+10FFFF are invalid.
size_t Utf8SequenceBytes(std::string_view text);

}  // namespace tandem
