#include "engine/text/tokenizer_json.h"

#include "engine/text/bpe_vocabulary_reader.h"
#include "engine/text/json_access.h"
#include "engine/text/piece_table.h"
#include "engine/text/tokenizer_steps.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

std::vector<std::pair<std::string, std::string>> ReadMerges(const JsonNode& merges) {
  if (!merges.value().is_array()) merges.Fail("is not an array");
  std::vector<std::pair<std::string, std::string>> pairs;
  pairs.reserve(merges.value().size());
  for (const auto& merge : merges.value()) {
    if (merge.is_string()) {
      pairs.push_back(SplitMerge(merge.get_ref<const std::string&>(), merges.where()));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      pairs.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      merges.Fail("merge " + std::to_string(pairs.size()) + " is not a pair of strings");
    }
  }
  return pairs;
}

void RefuseAffix(const JsonNode& model, const std::string& key) {
  const auto affix = model.Find(key);
  if (affix && !affix->String().empty()) affix->Fail("is not supported");
}

BpeVocabulary ReadBpe(const JsonNode& model) {
  // Files of early versions leave the type out.
  const auto type = model.Find("type");
  if (type && type->String() != "BPE") {
    type->Fail("'" + type->String() +
               "' is not supported; BPE is, and SentencePiece's unigram from a tokenizer.model");
  }
  RefuseAffix(model, "continuing_subword_prefix");
  RefuseAffix(model, "end_of_word_suffix");
  const auto dropout = model.Find("dropout");
  if (dropout && dropout->value() != 0) dropout->Fail("is not supported: ids would be random");
  BpeVocabulary vocabulary;
  vocabulary.tokens = ReadVocabulary(model.Get("vocab"));
  vocabulary.merges = ReadMerges(model.Get("merges"));
  vocabulary.ignore_merges = model.BoolOr("ignore_merges", false);
  vocabulary.byte_fallback = model.BoolOr("byte_fallback", false);
  vocabulary.fuse_unknown = model.BoolOr("fuse_unk", false);
  if (const auto unknown = model.Find("unk_token")) vocabulary.unknown_token = unknown->String();
  return vocabulary;
}

std::vector<AddedToken> ReadAddedTokens(const JsonNode& root) {
  std::vector<AddedToken> tokens;
  const auto list = root.Find("added_tokens");
  if (!list) return tokens;
  for (const JsonNode& node : list->Items()) {
    AddedToken token;
    const int64_t id = node.Get("id").Integer();
    if (id < 0 || id >= kMaxVocabSize) {
      node.Fail("id " + std::to_string(id) + " is not from 0 to " +
                std::to_string(kMaxVocabSize - 1));
    }
    token.id = static_cast<TokenId>(id);
    token.content = node.Get("content").String();
    token.special = node.BoolOr("special", false);
    token.single_word = node.BoolOr("single_word", false);
    token.lstrip = node.BoolOr("lstrip", false);
    token.rstrip = node.BoolOr("rstrip", false);
    token.normalized = node.BoolOr("normalized", !token.special);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

std::unique_ptr<const Tokenizer> LoadTokenizerJson(const std::filesystem::path& path,
                                                   const TokenizerConfig& config) {
  const nlohmann::json document = ReadTokenizerJson(path);
  const JsonNode root(document, path.string());
  BpeTokenizerParts parts;
  parts.vocabulary = ReadBpe(root.Get("model"));
  parts.added_tokens = ReadAddedTokens(root);

  if (const auto node = root.Find("normalizer")) {
    parts.normalizer = Normalizer(ReadNormalizer(*node));
  }
  PreTokenizerSteps words;
  if (const auto node = root.Find("pre_tokenizer")) words = ReadPreTokenizer(*node);
  parts.pre_tokenizer = PreTokenizer(std::move(words.steps));
  parts.vocabulary.byte_level = words.byte_level;

  DecoderSteps decoder;
  if (const auto node = root.Find("decoder")) decoder = ReadDecoder(*node);
  if (decoder.byte_level != words.byte_level) {
    root.Fail("pre_tokenizer and decoder must both be ByteLevel, or neither");
  }
  parts.decoding = std::move(decoder.decoding);

  if (const auto node = root.Find("post_processor")) {
    TokenTemplate around = ReadPostProcessor(*node);
    parts.prefix = std::move(around.prefix);
    parts.suffix = std::move(around.suffix);
  }
  return BuildBpeTokenizer(path, config, std::move(parts));
}

}  // namespace tandem
