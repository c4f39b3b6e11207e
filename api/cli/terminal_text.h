#pragma once
// Text of a model made fit for a terminal: it must not move the cursor, change colours or answer
// queries. Pure.

#include <string>
#include <string_view>

namespace tandem {

// `text` is valid UTF-8 of whole characters. Controls other than line ends and tabs become U+FFFD.
std::string TerminalText(std::string_view text);

}  // namespace tandem
