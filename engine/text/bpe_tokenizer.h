#pragma once
// The tokenizer of tokenizer.json with a BPE model: added tokens, normaliser, pre-tokenizer,
// merges. Byte-level (GPT-2, Llama 3, Qwen, MiniMind) and character-level with byte fallback (Llama
// 2). Immutable but for the cache of words, which guards itself; any thread.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/text/added_tokens.h"
#include "engine/text/bpe_model.h"
#include "engine/text/normalizer.h"
#include "engine/text/piece_table.h"
#include "engine/text/pre_tokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/word_cache.h"

namespace tandem {

// How a character-level vocabulary becomes bytes again. A byte-level one needs none of it.
struct PieceDecoding {
  std::vector<std::pair<std::string, std::string>> replacements;  // in order, inside of each piece
  bool byte_fallback = false;                                     // "<0x0A>" is a byte
  enum class LeadingSpaces : uint8_t { kKeep, kDropOne, kDropAll };
  LeadingSpaces leading_spaces = LeadingSpaces::kKeep;  // of the first token of the whole text
};

struct BpeTokenizerParts {
  BpeVocabulary vocabulary;
  std::vector<AddedToken> added_tokens;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  PieceDecoding decoding;
  std::vector<TokenId> prefix;  // what SpecialTokens::kAdd puts before the text
  std::vector<TokenId> suffix;  // and behind it
  std::optional<TokenId> bos_id;
  std::optional<TokenId> eos_id;
};

class BpeTokenizer final : public Tokenizer {
 public:
  // Throws FormatError when the parts contradict each other.
  explicit BpeTokenizer(BpeTokenizerParts parts);

  std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const override;
  std::string_view TokenBytes(TokenId id) const override { return pieces_.Get(id); }
  bool IsSpecial(TokenId id) const override;
  bool DropsLeadingSpace() const override {
    return leading_spaces_ != PieceDecoding::LeadingSpaces::kKeep;
  }
  size_t DummyPrefixBytes(TokenId id) const override;
  int64_t vocab_size() const override { return pieces_.size(); }
  std::optional<TokenId> bos_id() const override { return bos_id_; }
  std::optional<TokenId> eos_id() const override { return eos_id_; }
  std::optional<TokenId> FindToken(std::string_view text) const override;

 private:
  struct Buffers;  // of one call of Encode

  void BuildMatchers(const std::vector<AddedToken>& tokens);
  void EncodeText(std::string_view text, bool at_start, Buffers* buffers,
                  std::vector<TokenId>* ids) const;
  void EncodeWord(std::string_view word, Buffers* buffers, std::vector<TokenId>* ids) const;

  BpeModel model_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  AddedTokenMatcher raw_matcher_;         // looks before normalisation
  AddedTokenMatcher normalized_matcher_;  // looks after it
  PieceTable pieces_;
  std::vector<bool> is_special_;  // by id; shorter than the vocabulary
  std::unordered_map<std::string, TokenId> added_by_content_;
  PieceDecoding::LeadingSpaces leading_spaces_;
  std::vector<TokenId> prefix_;
  std::vector<TokenId> suffix_;
  std::optional<TokenId> bos_id_;
  std::optional<TokenId> eos_id_;
  std::unique_ptr<WordCache> cache_;  // shared by all threads, guards itself
};

}  // namespace tandem
