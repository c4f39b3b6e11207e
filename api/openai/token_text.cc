#include "api/openai/token_text.h"

#include <algorithm>

#include "engine/text/unicode.h"

namespace tandem {

std::string TokenLabel(const Tokenizer& tokenizer, TokenId id) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::string_view bytes = tokenizer.TokenBytes(id);
  if (IsValidUtf8(bytes)) return std::string(bytes);
  std::string label = "bytes:";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    label.append("\\x");
    label.push_back(kHex[byte >> 4]);
    label.push_back(kHex[byte & 15]);
  }
  return label;
}

void AppendTokenIds(std::span<const TokenId> ids, std::string& out) {
  out.push_back('[');
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(std::to_string(ids[i]));
  }
  out.push_back(']');
}

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

}  // namespace tandem
