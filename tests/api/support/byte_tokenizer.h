#pragma once
// A tokenizer whose tokens are single bytes (ids 0 to 255), with bos 256 and eos 257: any text
// splits in the middle of its characters.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer.h"

namespace tandem {

class ByteTokenizer : public Tokenizer {
 public:
  static constexpr TokenId kBos = 256;
  static constexpr TokenId kEos = 257;

  ByteTokenizer() {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<char>(i);
  }

  std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const override {
    std::vector<TokenId> ids;
    if (special == SpecialTokens::kAdd) ids.push_back(kBos);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string_view TokenBytes(TokenId id) const override {
    if (id == kBos) return "<s>";
    if (id == kEos) return "</s>";
    return {&bytes_[static_cast<size_t>(id)], 1};
  }
  bool IsSpecial(TokenId id) const override { return id >= kBos; }
  bool DropsLeadingSpace() const override { return false; }
  int64_t vocab_size() const override { return 258; }
  std::optional<TokenId> bos_id() const override { return kBos; }
  std::optional<TokenId> eos_id() const override { return kEos; }
  std::optional<TokenId> FindToken(std::string_view text) const override {
    if (text.size() != 1) return std::nullopt;
    return static_cast<unsigned char>(text[0]);
  }

 private:
  std::array<char, 256> bytes_{};
};

}  // namespace tandem
