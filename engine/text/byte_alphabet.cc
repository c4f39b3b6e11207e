#include "engine/text/byte_alphabet.h"

#include <array>

#include "engine/text/unicode.h"

namespace tandem {
namespace {

constexpr bool StandsForItself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr int kNumCharacters = 256 + 68;  // 68 bytes moved to U+0100 and above

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<int16_t, kNumCharacters> bytes;  // by character; -1: stands for no byte

  Alphabet() {
    bytes.fill(-1);
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const int character = StandsForItself(byte) ? byte : next++;
      AppendUtf8(static_cast<char32_t>(character), &characters[static_cast<size_t>(byte)]);
      bytes[static_cast<size_t>(character)] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& TheAlphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

std::string_view ByteCharacter(uint8_t byte) { return TheAlphabet().characters[byte]; }

std::string ToByteCharacters(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) out += ByteCharacter(static_cast<uint8_t>(byte));
  return out;
}

std::optional<std::string> FromByteCharacters(std::string_view text) {
  std::string out;
  size_t position = 0;
  while (position < text.size()) {
    const char32_t character = NextCharacter(text, &position);
    if (character >= kNumCharacters || TheAlphabet().bytes[character] < 0) return std::nullopt;
    out += static_cast<char>(TheAlphabet().bytes[character]);
  }
  return out;
}

}  // namespace tandem
