#include "engine/base/printable.h"

#include <cstdint>
#include <cstdio>

namespace tandem {
namespace {

uint8_t ByteAt(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

// Code points that start a new line or steer a terminal though they are valid UTF-8: C1 controls,
// U+2028, U+2029 and the bidirectional overrides.
bool IsUnsafe(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) ||
         (code_point >= 0x2028 && code_point <= 0x202e) ||
         (code_point >= 0x2066 && code_point <= 0x2069);
}

uint32_t Decode(std::string_view sequence) {
  if (sequence.size() == 1) return ByteAt(sequence, 0);
  uint32_t code_point = ByteAt(sequence, 0) & (0x7fu >> sequence.size());
  for (size_t i = 1; i < sequence.size(); ++i) {
    code_point = (code_point << 6) | (ByteAt(sequence, i) & 0x3fu);
  }
  return code_point;
}

void AppendEscaped(uint32_t code_point, std::string& out) {
  switch (code_point) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  char escaped[16];
  std::snprintf(escaped, sizeof(escaped), code_point < 0x80 ? "\\x%02x" : "\\u%04x", code_point);
  out += escaped;
}

std::string Escape(std::string_view text, size_t max_bytes, bool quoted) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes) + 2);
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = Utf8SequenceBytes(text.substr(at));
    if (at + std::max<size_t>(length, 1) > max_bytes) {
      out += "...";
      break;
    }
    if (length == 0) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", ByteAt(text, at));
      out += escaped;
      ++at;
      continue;
    }
    const std::string_view sequence = text.substr(at, length);
    const uint32_t code_point = Decode(sequence);
    if (code_point == '\\' || (quoted && code_point == '"')) {
      out += '\\';
      out += sequence;
    } else if (IsUnsafe(code_point)) {
      AppendEscaped(code_point, out);
    } else {
      out += sequence;
    }
    at += length;
  }
  return out;
}

}  // namespace

std::string Printable(std::string_view text, size_t max_bytes) {
  return Escape(text, max_bytes, /*quoted=*/false);
}

std::string Quoted(std::string_view text, size_t max_bytes) {
  return '"' + Escape(text, max_bytes, /*quoted=*/true) + '"';
}

size_t Utf8SequenceBytes(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((ByteAt(text, i) & 0xc0u) != 0x80u) return 0;
  }
  const uint8_t second = ByteAt(text, 1);
  if (first == 0xe0 && second < 0xa0) return 0;   // overlong
  if (first == 0xed && second >= 0xa0) return 0;  // surrogate
  if (first == 0xf0 && second < 0x90) return 0;   // overlong
  if (first == 0xf4 && second >= 0x90) return 0;  // above U+10FFFF
  return length;
}

}  // namespace tandem
