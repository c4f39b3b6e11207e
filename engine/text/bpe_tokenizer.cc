#include "engine/text/bpe_tokenizer.h"

#include <algorithm>
#include <charconv>

#include "engine/text/byte_alphabet.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// "<0x0A>" to its byte.
std::optional<char> ParseByteToken(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  uint8_t byte = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  if (error != std::errc() || end != piece.data() + 5) return std::nullopt;
  return static_cast<char>(byte);
}

std::string ReplaceAll(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// Of a token that decoding changes; the longest in use have some hundred bytes. Replacements that
// each double a token would fill the memory.
constexpr size_t kMaxDecodedBytes = 4096;

std::string DecodePiece(const std::string& piece, const PieceDecoding& decoding) {
  std::string text = piece;
  for (const auto& [from, to] : decoding.replacements) {
    if (text.find(from) == text.npos) continue;
    if (text.size() <= kMaxDecodedBytes) text = ReplaceAll(std::move(text), from, to);
    if (text.size() > kMaxDecodedBytes) {
      throw FormatError("the decoder makes a token of more than " +
                        std::to_string(kMaxDecodedBytes) + " bytes");
    }
  }
  if (decoding.byte_fallback) {
    if (const auto byte = ParseByteToken(text)) return std::string(1, *byte);
  }
  return text;
}

// A byte-level token that is not written in the byte alphabet is taken as it stands.
std::string TokenText(const std::string& piece, const BpeTokenizerParts& parts) {
  if (parts.vocabulary.byte_level) return FromByteCharacters(piece).value_or(piece);
  return DecodePiece(piece, parts.decoding);
}

std::vector<std::pair<TokenId, std::string>> ListPieces(const BpeTokenizerParts& parts) {
  std::vector<std::pair<TokenId, std::string>> pieces;
  pieces.reserve(parts.vocabulary.tokens.size() + parts.added_tokens.size());
  for (const auto& [text, id] : parts.vocabulary.tokens) {
    pieces.emplace_back(id, TokenText(text, parts));
  }
  for (const AddedToken& token : parts.added_tokens) pieces.emplace_back(token.id, token.content);
  return pieces;
}

// An added token names an id of its own, or repeats what the vocabulary says.
void CheckAddedTokens(const BpeTokenizerParts& parts, const BpeModel& model) {
  std::unordered_map<TokenId, std::string_view> owners;
  for (const AddedToken& token : parts.added_tokens) {
    const std::string name = "added token '" + token.content + "'";
    if (token.id < 0 || token.id >= kMaxVocabSize) {
      throw FormatError(name + " has id " + std::to_string(token.id) + "; ids are from 0 to " +
                        std::to_string(kMaxVocabSize - 1));
    }
    const auto in_vocabulary = model.Find(token.content);
    if (in_vocabulary && *in_vocabulary != token.id) {
      throw FormatError(name + " has id " + std::to_string(token.id) +
                        ", but the vocabulary says " + std::to_string(*in_vocabulary));
    }
    if (!owners.emplace(token.id, token.content).second) {
      throw FormatError(name + " has id " + std::to_string(token.id) +
                        ", which another added token has too");
    }
  }
  for (const auto& [text, id] : parts.vocabulary.tokens) {
    const auto owner = owners.find(id);
    if (owner == owners.end() || owner->second == text) continue;
    throw FormatError("added token '" + std::string(owner->second) + "' has id " +
                      std::to_string(id) + ", which is the id of '" + text + "'");
  }
}

// What goes around the text is part of the vocabulary too.
void CheckTemplate(const std::vector<TokenId>& ids, int64_t vocab_size) {
  for (const TokenId id : ids) {
    if (id >= 0 && id < vocab_size) continue;
    throw FormatError("post_processor adds the token " + std::to_string(id) +
                      ", but the vocabulary's ids are from 0 to " + std::to_string(vocab_size - 1));
  }
}

}  // namespace

struct BpeTokenizer::Buffers {
  Words words;
  BpeModel::Scratch scratch;
};

BpeTokenizer::BpeTokenizer(BpeTokenizerParts parts)
    : model_(parts.vocabulary),
      leading_spaces_(parts.vocabulary.byte_level ? PieceDecoding::LeadingSpaces::kKeep
                                                  : parts.decoding.leading_spaces),
      prefix_(std::move(parts.prefix)),
      suffix_(std::move(parts.suffix)),
      bos_id_(parts.bos_id),
      eos_id_(parts.eos_id),
      cache_(std::make_unique<WordCache>()) {
  CheckAddedTokens(parts, model_);
  pieces_ = PieceTable(ListPieces(parts));
  CheckTemplate(prefix_, pieces_.size());
  CheckTemplate(suffix_, pieces_.size());
  normalizer_ = std::move(parts.normalizer);
  pre_tokenizer_ = std::move(parts.pre_tokenizer);
  BuildMatchers(parts.added_tokens);
}

void BpeTokenizer::BuildMatchers(const std::vector<AddedToken>& tokens) {
  std::vector<AddedToken> raw;
  std::vector<AddedToken> normalized;
  for (AddedToken token : tokens) {
    added_by_content_.emplace(token.content, token.id);
    const auto index = static_cast<size_t>(token.id);
    if (token.special) {
      if (index >= is_special_.size()) is_special_.resize(index + 1);
      is_special_[index] = true;
    }
    if (token.normalized) {
      token.content = normalizer_.Apply(token.content);
      normalized.push_back(std::move(token));
    } else {
      raw.push_back(std::move(token));
    }
  }
  raw_matcher_ = AddedTokenMatcher(std::move(raw));
  normalized_matcher_ = AddedTokenMatcher(std::move(normalized));
}

bool BpeTokenizer::IsSpecial(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < is_special_.size() &&
         is_special_[static_cast<size_t>(id)];
}

size_t BpeTokenizer::DummyPrefixBytes(TokenId id) const {
  const std::string_view bytes = TokenBytes(id);
  const size_t num_spaces = std::min(bytes.find_first_not_of(' '), bytes.size());
  switch (leading_spaces_) {
    case PieceDecoding::LeadingSpaces::kKeep:
      return 0;
    case PieceDecoding::LeadingSpaces::kDropOne:
      return std::min<size_t>(num_spaces, 1);
    case PieceDecoding::LeadingSpaces::kDropAll:
      return num_spaces;
  }
  return 0;
}

std::optional<TokenId> BpeTokenizer::FindToken(std::string_view text) const {
  if (const auto it = added_by_content_.find(std::string(text)); it != added_by_content_.end()) {
    return it->second;
  }
  return model_.byte_level() ? model_.Find(ToByteCharacters(text)) : model_.Find(text);
}

std::vector<TokenId> BpeTokenizer::Encode(std::string_view text, SpecialTokens special) const {
  std::string replaced;
  if (!IsValidUtf8(text)) {
    replaced = ReplaceInvalidUtf8(text);
    text = replaced;
  }
  const bool add = special == SpecialTokens::kAdd;
  Buffers buffers;
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 3 + 8);
  if (add) ids.insert(ids.end(), prefix_.begin(), prefix_.end());
  for (const auto& part : raw_matcher_.Split(text)) {
    if (part.id) {
      ids.push_back(*part.id);
      continue;
    }
    const bool at_start = part.text.data() == text.data();
    if (normalizer_.empty()) {
      EncodeText(part.text, at_start, &buffers, &ids);
    } else {
      EncodeText(normalizer_.Apply(part.text), at_start, &buffers, &ids);
    }
  }
  if (add) ids.insert(ids.end(), suffix_.begin(), suffix_.end());
  return ids;
}

void BpeTokenizer::EncodeText(std::string_view text, bool at_start, Buffers* buffers,
                              std::vector<TokenId>* ids) const {
  for (const auto& part : normalized_matcher_.Split(text)) {
    if (part.id) {
      ids->push_back(*part.id);
      continue;
    }
    pre_tokenizer_.Split(part.text, at_start && part.text.data() == text.data(), &buffers->words);
    for (const std::string_view word : buffers->words.views) EncodeWord(word, buffers, ids);
  }
}

void BpeTokenizer::EncodeWord(std::string_view word, Buffers* buffers,
                              std::vector<TokenId>* ids) const {
  if (cache_->Lookup(word, ids)) return;
  const size_t before = ids->size();
  model_.Encode(word, &buffers->scratch, ids);
  cache_->Store(word, std::span<const TokenId>(*ids).subspan(before));
}

}  // namespace tandem
