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

  // Any bytes: invalid UTF-8 is replaced by U+FFFD first. Special tokens written in the text (such
  // as "<|im_end|>") become their ids, as in the reference implementations.
  virtual std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const = 0;

  // The bytes that a token contributes to the output: possibly half a UTF-8 character. Those of a
  // special token ("</s>") are its name, which decoding leaves out when `skip_special`. Empty for
  // an id that the vocabulary does not have.
  virtual std::string_view TokenBytes(TokenId id) const = 0;
  virtual bool IsSpecial(TokenId id) const = 0;

  // Decoding drops the space that the first token of the whole text begins with (SentencePiece's
  // dummy prefix).
  virtual bool DropsLeadingSpace() const = 0;
  // And goes on while nothing else came (SentencePiece's remove_extra_whitespaces).
  virtual bool DropsEveryLeadingSpace() const { return false; }
  // How many bytes of TokenBytes(id) are dropped at the front of the whole text.
  virtual size_t DummyPrefixBytes(TokenId id) const {
    return DropsLeadingSpace() && TokenBytes(id).starts_with(' ') ? 1 : 0;
  }

  virtual int64_t vocab_size() const = 0;
  virtual std::optional<TokenId> bos_id() const = 0;
  virtual std::optional<TokenId> eos_id() const = 0;
  // The token that stands for exactly this text: a special token by its name, others by TokenBytes.
  virtual std::optional<TokenId> FindToken(std::string_view text) const = 0;

  // Whole text of `ids`; invalid UTF-8 becomes U+FFFD.
  std::string Decode(const std::vector<TokenId>& ids, bool skip_special = true) const;
};

// Finds the tokenizer of a model directory: tokenizer.json, else tokenizer.model, else vocab.json
// (or encoder.json) with merges.txt (or vocab.bpe), else FormatError that says what was looked for.
std::unique_ptr<const Tokenizer> LoadTokenizer(const std::filesystem::path& directory);

}  // namespace tandem
