#pragma once
// JSON written by hand, for the path of every token: no value tree, only text.

#include <string>
#include <string_view>

namespace tandem {

// `text`, which is valid UTF-8, as the inside of a JSON string (without the quotes).
void AppendJsonEscaped(std::string_view text, std::string& out);
// With the quotes.
void AppendJsonString(std::string_view text, std::string& out);
std::string JsonString(std::string_view text);
// The shortest decimal that reads back as the same float. Not finite: -9999 or 9999, as JSON has no
// infinities and clients expect numbers.
void AppendJsonNumber(float value, std::string& out);

}  // namespace tandem
