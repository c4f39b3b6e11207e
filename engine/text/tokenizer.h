#pragma once
// Text to token ids and back. Immutable after loading; any thread may use it.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

using TokenId = int32_t;

enum class SpecialTokens : uint8_t {
  kAdd,   // what the model's own tokenizer adds (usually bos)
  kNone,  // nothing is added
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Any bytes: invalid UTF-8 is replaced by U+FFFD first. Special tokens written in the text (such as
  // "<|im_end|>") become their ids, as in the reference implementations.
  virtual std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const = 0;

  // The bytes that a token contributes to the output: possibly half a UTF-8 character; empty for
  // special tokens that are not text (bos, eos) when `skip_special`.
  virtual std::string_view TokenBytes(TokenId id) const = 0;
  virtual bool IsSpecial(TokenId id) const = 0;

  // Bytes that decoding drops from the front of the whole text (SentencePiece's dummy prefix space).
  virtual bool DropsLeadingSpace() const = 0;

  virtual int64_t vocab_size() const = 0;
  virtual std::optional<TokenId> bos_id() const = 0;
  virtual std::optional<TokenId> eos_id() const = 0;
  virtual std::optional<TokenId> FindToken(std::string_view text) const = 0;

  // Whole text of `ids`; invalid UTF-8 becomes U+FFFD.
  std::string Decode(const std::vector<TokenId>& ids, bool skip_special = true) const;
};

// Finds the tokenizer of a model directory: tokenizer.json, else tokenizer.model, else (a model whose
// tokenizer cannot be had) FormatError that says what was looked for.
std::unique_ptr<const Tokenizer> LoadTokenizer(const std::filesystem::path& directory);

}  // namespace tandem
