#pragma once
// The printable character that GPT-2's vocabulary format writes for each byte, and back.
// Source: encoder.py of the GPT-2 release. Pure functions; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tandem {

// UTF-8 of the character that stands for `byte`.
std::string_view ByteCharacter(uint8_t byte);

// Each byte as its character.
std::string ToByteCharacters(std::string_view bytes);

// The bytes; nothing when some character does not stand for a byte. The text is valid UTF-8.
std::optional<std::string> FromByteCharacters(std::string_view text);

}  // namespace tandem
