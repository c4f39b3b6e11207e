#include "engine/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "engine/text/json_access.h"
#include "engine/text/sentencepiece_model_options.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr std::string_view kWordMark = "\xE2\x96\x81";       // U+2581, stands for a space
constexpr std::string_view kUnknownText = " \xE2\x81\x87 ";  // what the library writes by default

void LoadProcessor(const std::string& model, sentencepiece::SentencePieceProcessor* processor) {
  constexpr const char* kProblem = "is not a SentencePiece model: ";
  try {
    const auto status = processor->LoadFromSerializedProto(model);
    if (!status.ok()) throw FormatError(kProblem + status.ToString());
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // of the library's trie: an empty piece, for example
    throw FormatError(kProblem + std::string(error.what()));
  }
}

std::string WithSpaces(std::string_view piece) {
  std::string text;
  for (size_t at = 0; at < piece.size();) {
    if (piece.substr(at).starts_with(kWordMark)) {
      text += ' ';
      at += kWordMark.size();
    } else {
      text += piece[at++];
    }
  }
  return text;
}

// A byte piece is written "<0x0A>".
std::string ByteOfPiece(const std::string& piece) {
  uint8_t byte = 0;
  const char* end = piece.data() + piece.size();
  if (piece.size() != 6 || std::from_chars(piece.data() + 3, end, byte, 16).ptr != end - 1) {
    throw FormatError("byte piece '" + piece + "' is not of the form <0x0A>");
  }
  return std::string(1, static_cast<char>(byte));
}

}  // namespace

struct SentencePieceTokenizer::Processors {
  sentencepiece::SentencePieceProcessor whole;  // as the model says
  sentencepiece::SentencePieceProcessor rest;   // without the dummy prefix; loaded unless legacy
};

SentencePieceTokenizer::SentencePieceTokenizer(std::string model, const TokenizerConfig& config)
    : legacy_(config.legacy),
      add_bos_(config.add_bos_token.value_or(true)),
      add_eos_(config.add_eos_token.value_or(false)) {
  if (!IsSoundCharsmap(ReadSentencePieceModelOptions(model).charsmap)) {
    throw FormatError("precompiled_charsmap of normalizer_spec is broken");
  }
  auto processors = std::make_unique<Processors>();
  LoadProcessor(model, &processors->whole);
  if (!legacy_) LoadProcessor(model + std::string(kWithoutDummyPrefix), &processors->rest);
  processors_ = std::move(processors);
  FindDecoding(model);
  FindSpecialTokens(config);
  BuildPieces();
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

void SentencePieceTokenizer::FindDecoding(const std::string& model) {
  const SentencePieceModelOptions options = ReadSentencePieceModelOptions(model);
  if (options.treat_whitespace_as_suffix) {
    throw FormatError("treat_whitespace_as_suffix is not supported");
  }
  if (options.has_denormalizer) throw FormatError("denormalizer_spec is not supported");
  if (!options.escape_whitespaces) throw FormatError("escape_whitespaces=false is not supported");
  drops_every_leading_space_ = options.remove_extra_whitespaces;
  drops_leading_space_ = options.add_dummy_prefix || options.remove_extra_whitespaces;
}

void SentencePieceTokenizer::FindSpecialTokens(const TokenizerConfig& config) {
  const auto& processor = processors_->whole;
  const int size = processor.GetPieceSize();
  for (int id = 0; id < size; ++id) {
    const bool is_control = processor.IsControl(id);
    if (!is_control && !processor.IsUnknown(id)) continue;
    // The unknown token is found in the text as the others are, but decodes to a visible sign.
    added_tokens_.push_back({.id = id, .content = processor.IdToPiece(id), .special = is_control});
  }
  for (const AddedToken& token : config.added_tokens) {
    if (token.id < size && processor.IdToPiece(token.id) != token.content) {
      throw FormatError("added token '" + token.content + "' has id " + std::to_string(token.id) +
                        ", which is the id of '" + processor.IdToPiece(token.id) + "'");
    }
  }
  AddConfiguredTokens(config, &added_tokens_);

  bos_id_ = config.bos_token ? FindToken(*config.bos_token) : std::nullopt;
  eos_id_ = config.eos_token ? FindToken(*config.eos_token) : std::nullopt;
  if (!bos_id_ && processor.bos_id() >= 0) bos_id_ = processor.bos_id();
  if (!eos_id_ && processor.eos_id() >= 0) eos_id_ = processor.eos_id();
  matcher_ = AddedTokenMatcher(added_tokens_);
}

void SentencePieceTokenizer::BuildPieces() {
  const auto& processor = processors_->whole;
  const int size = processor.GetPieceSize();
  std::vector<std::pair<TokenId, std::string>> pieces;
  has_dummy_prefix_.resize(static_cast<size_t>(size));
  for (int id = 0; id < size; ++id) {
    const std::string& piece = processor.IdToPiece(id);
    if (processor.IsByte(id)) {
      pieces.emplace_back(id, ByteOfPiece(piece));
    } else if (processor.IsUnknown(id)) {
      pieces.emplace_back(id, kUnknownText);
    } else if (processor.IsControl(id)) {
      pieces.emplace_back(id, piece);
    } else {
      pieces.emplace_back(id, WithSpaces(piece));
      has_dummy_prefix_[static_cast<size_t>(id)] = piece.starts_with(kWordMark);
    }
  }
  for (const AddedToken& token : added_tokens_) {
    if (token.id >= size) pieces.emplace_back(token.id, token.content);
    if (!token.special) continue;
    const auto index = static_cast<size_t>(token.id);
    if (index >= is_special_.size()) is_special_.resize(index + 1);
    is_special_[index] = true;
  }
  pieces_ = PieceTable(pieces);
}

bool SentencePieceTokenizer::IsSpecial(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < is_special_.size() &&
         is_special_[static_cast<size_t>(id)];
}

size_t SentencePieceTokenizer::DummyPrefixBytes(TokenId id) const {
  return drops_leading_space_ && id >= 0 && static_cast<size_t>(id) < has_dummy_prefix_.size() &&
                 has_dummy_prefix_[static_cast<size_t>(id)]
             ? 1
             : 0;
}

std::optional<TokenId> SentencePieceTokenizer::FindToken(std::string_view text) const {
  for (const AddedToken& token : added_tokens_) {
    if (token.content == text) return token.id;
  }
  const auto& processor = processors_->whole;
  std::string piece;
  for (const char c : text) {
    if (c == ' ') {
      piece += kWordMark;
    } else {
      piece += c;
    }
  }
  const int id = processor.PieceToId(piece);
  if (!processor.IsUnknown(id)) return id;
  return std::nullopt;
}

std::vector<TokenId> SentencePieceTokenizer::Encode(std::string_view text,
                                                    SpecialTokens special) const {
  std::string replaced;
  if (!IsValidUtf8(text)) {
    replaced = ReplaceInvalidUtf8(text);
    text = replaced;
  }
  const bool add = special == SpecialTokens::kAdd;
  std::vector<TokenId> ids;
  if (add && add_bos_ && bos_id_) ids.push_back(*bos_id_);
  std::vector<int> part_ids;
  for (const auto& part : matcher_.Split(text)) {
    if (part.id) {
      ids.push_back(*part.id);
      continue;
    }
    const bool has_prefix = legacy_ || part.text.data() == text.data();
    const auto& processor = has_prefix ? processors_->whole : processors_->rest;
    const auto status = processor.Encode(part.text, &part_ids);
    if (!status.ok()) throw FormatError("SentencePiece cannot encode: " + status.ToString());
    ids.insert(ids.end(), part_ids.begin(), part_ids.end());
  }
  if (add && add_eos_ && eos_id_) ids.push_back(*eos_id_);
  return ids;
}

std::unique_ptr<const Tokenizer> LoadSentencePieceTokenizer(const std::filesystem::path& path,
                                                            const TokenizerConfig& config) {
  try {
    return std::make_unique<SentencePieceTokenizer>(ReadTokenizerFile(path), config);
  } catch (const FormatError& error) {
    const std::string message = error.what();
    if (message.starts_with(path.string())) throw;
    throw FormatError(path.string() + ": " + message);
  }
}

}  // namespace tandem
