#pragma once
// tokenizer.model, by the SentencePiece library. As LlamaTokenizer does it, special tokens written
// in the text become their ids. Immutable; any thread.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/added_tokens.h"
#include "engine/text/piece_table.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_config.h"

namespace tandem {

class SentencePieceTokenizer final : public Tokenizer {
 public:
  // `model`: the bytes of the file. Throws FormatError.
  SentencePieceTokenizer(std::string model, const TokenizerConfig& config);
  ~SentencePieceTokenizer() override;

  std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const override;
  // The unknown token is " \u2047 ", as in the library's own decoding.
  std::string_view TokenBytes(TokenId id) const override { return pieces_.Get(id); }
  bool IsSpecial(TokenId id) const override;
  bool DropsLeadingSpace() const override { return drops_leading_space_; }
  bool DropsEveryLeadingSpace() const override { return drops_every_leading_space_; }
  size_t DummyPrefixBytes(TokenId id) const override;
  int64_t vocab_size() const override { return pieces_.size(); }
  std::optional<TokenId> bos_id() const override { return bos_id_; }
  std::optional<TokenId> eos_id() const override { return eos_id_; }
  std::optional<TokenId> FindToken(std::string_view text) const override;

 private:
  struct Processors;

  void FindDecoding(const std::string& model);
  void FindSpecialTokens(const TokenizerConfig& config);
  void BuildPieces();

  std::unique_ptr<const Processors> processors_;
  bool legacy_;  // each part of the text between special tokens gets a dummy prefix
  bool drops_leading_space_ = false;
  bool drops_every_leading_space_ = false;
  std::vector<AddedToken> added_tokens_;
  AddedTokenMatcher matcher_;
  PieceTable pieces_;
  std::vector<bool> is_special_;        // by id; shorter than the vocabulary
  std::vector<bool> has_dummy_prefix_;  // by id; pieces that begin with the word mark
  std::optional<TokenId> bos_id_;
  std::optional<TokenId> eos_id_;
  bool add_bos_;
  bool add_eos_;
};

std::unique_ptr<const Tokenizer> LoadSentencePieceTokenizer(const std::filesystem::path& path,
                                                            const TokenizerConfig& config);

}  // namespace tandem
