#include "engine/text/tokenizer_json.h"

#include <algorithm>
#include <limits>

#include "engine/text/bpe_tokenizer.h"
#include "engine/text/json_access.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// ---- the model ----

std::vector<std::pair<std::string, TokenId>> ReadVocabulary(const JsonNode& vocab) {
  if (!vocab.value().is_object()) vocab.Fail("is not an object of tokens and ids");
  std::vector<std::pair<std::string, TokenId>> tokens;
  tokens.reserve(vocab.value().size());
  for (const auto& [text, value] : vocab.value().items()) {
    if (!value.is_number_integer()) vocab.Fail("the id of '" + text + "' is not an integer");
    const int64_t id = JsonNode(value, vocab.where() + ": " + text).Integer();
    if (id < 0 || id >= kMaxVocabSize) {
      vocab.Fail("the id of '" + text + "' is " + std::to_string(id) + "; ids are from 0 to " +
                 std::to_string(kMaxVocabSize - 1));
    }
    tokens.emplace_back(text, static_cast<TokenId>(id));
  }
  return tokens;
}

std::pair<std::string, std::string> SplitMerge(std::string_view text, const std::string& where) {
  const size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos) {
    throw FormatError(where + ": merge '" + std::string(text) + "' is not two tokens and a space");
  }
  return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

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
    type->Fail("'" + type->String() + "' is not supported; BPE is");
  }
  RefuseAffix(model, "continuing_subword_prefix");
  RefuseAffix(model, "end_of_word_suffix");
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

// ---- the steps around it ----

// Files in use have up to ten. Together with the limits on a replacement's length and on the growth
// of a text (normalizer.h, bpe_tokenizer.cc) this bounds what a small file can cost.
constexpr size_t kMaxSteps = 64;
constexpr size_t kMaxReplacementBytes = 1024;

void CheckNumSteps(const JsonNode& node, size_t num_steps) {
  if (num_steps >= kMaxSteps) {
    node.Fail("is one of more than " + std::to_string(kMaxSteps) + " steps");
  }
}

std::string ReadReplacement(const JsonNode& node) {
  std::string text = node.String();
  if (text.size() > kMaxReplacementBytes) {
    node.Fail("has " + std::to_string(text.size()) + " bytes, more than " +
              std::to_string(kMaxReplacementBytes));
  }
  return text;
}

Regex CompileAt(const JsonNode& node, std::string_view pattern) {
  try {
    return Regex(pattern);
  } catch (const FormatError& error) {
    node.Fail(error.what());
  }
}

// {"String": "..."} or {"Regex": "..."}
Regex ReadPattern(const JsonNode& node) {
  if (const auto text = node.Find("String")) return Regex::Literal(text->String());
  const JsonNode pattern = node.Get("Regex");
  return CompileAt(pattern, pattern.String());
}

void ReadNormalizer(const JsonNode& node, std::vector<Normalizer::Step>* steps) {
  const std::string type = node.Type();
  CheckNumSteps(node, steps->size());
  if (type == "NFC") {
    steps->push_back(NormalForm::kNfc);
  } else if (type == "NFD") {
    steps->push_back(NormalForm::kNfd);
  } else if (type == "NFKC") {
    steps->push_back(NormalForm::kNfkc);
  } else if (type == "NFKD") {
    steps->push_back(NormalForm::kNfkd);
  } else if (type == "Prepend") {
    steps->push_back(PrependStep{ReadReplacement(node.Get("prepend"))});
  } else if (type == "Replace") {
    steps->push_back(
        ReplaceStep{ReadPattern(node.Get("pattern")), ReadReplacement(node.Get("content"))});
  } else if (type == "Sequence") {
    for (const JsonNode& child : node.Get("normalizers").Items()) ReadNormalizer(child, steps);
  } else {
    node.Fail("normalizer '" + type + "' is not supported");
  }
}

SplitBehavior ReadBehavior(const JsonNode& node) {
  const std::string name = node.String();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  node.Fail("'" + name + "' is not a way to split");
}

MetaspaceStep ReadMetaspace(const JsonNode& node) {
  using Prepend = MetaspaceStep::Prepend;
  MetaspaceStep step{node.Get("replacement").String(), Prepend::kAlways,
                     node.BoolOr("split", true)};
  // A space would be replaced again by the next step.
  const std::string& replacement = step.replacement;
  if (replacement.empty() || replacement == " " ||
      ReadUtf8Unit(replacement).length != replacement.size()) {
    node.Fail("replacement is not one character other than the space");
  }
  if (const auto scheme = node.Find("prepend_scheme")) {
    const std::string name = scheme->String();
    if (name != "always" && name != "first" && name != "never") {
      scheme->Fail("'" + name + "' is none of always, first, never");
    }
    step.prepend = name == "always"  ? Prepend::kAlways
                   : name == "first" ? Prepend::kFirst
                                     : Prepend::kNever;
  } else if (!node.BoolOr("add_prefix_space", true)) {
    step.prepend = Prepend::kNever;
  }
  return step;
}

struct PreTokenizerSteps {
  std::vector<PreTokenizer::Step> steps;
  bool byte_level = false;  // the last one mapped bytes to characters
};

void ReadPreTokenizer(const JsonNode& node, PreTokenizerSteps* out) {
  const std::string type = node.Type();
  CheckNumSteps(node, out->steps.size());
  if (type == "Sequence") {
    for (const JsonNode& child : node.Get("pretokenizers").Items()) ReadPreTokenizer(child, out);
    return;
  }
  // Whatever comes behind would see the byte alphabet instead of the text.
  if (out->byte_level) node.Fail("pre_tokenizer '" + type + "' behind ByteLevel is not supported");
  if (type == "ByteLevel") {
    if (node.BoolOr("add_prefix_space", true)) out->steps.push_back(PrefixSpaceStep{});
    if (node.BoolOr("use_regex", true)) {
      out->steps.push_back(SplitStep{Regex(kGpt2Pattern), SplitBehavior::kIsolated});
    }
    out->byte_level = true;
  } else if (type == "Split") {
    out->steps.push_back(SplitStep{ReadPattern(node.Get("pattern")),
                                   ReadBehavior(node.Get("behavior")),
                                   node.BoolOr("invert", false)});
  } else if (type == "Digits") {
    const bool individual = node.BoolOr("individual_digits", false);
    out->steps.push_back(SplitStep{
        Regex("\\p{N}"), individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous});
  } else if (type == "Metaspace") {
    out->steps.push_back(ReadMetaspace(node));
  } else {
    node.Fail("pre_tokenizer '" + type + "' is not supported");
  }
}

struct DecoderSteps {
  PieceDecoding decoding;
  bool byte_level = false;
  bool fused = false;
};

void ReadDecoder(const JsonNode& node, DecoderSteps* out) {
  const std::string type = node.Type();
  CheckNumSteps(node, out->decoding.replacements.size());
  if (type == "Sequence") {
    for (const JsonNode& child : node.Get("decoders").Items()) ReadDecoder(child, out);
  } else if (type == "ByteLevel") {
    out->byte_level = true;
  } else if (type == "ByteFallback") {
    out->decoding.byte_fallback = true;
  } else if (type == "Fuse") {
    out->fused = true;
  } else if (type == "Replace" && !out->fused) {
    const std::string from = node.Get("pattern").Get("String").String();
    if (from.empty()) node.Fail("the pattern is empty");
    out->decoding.replacements.emplace_back(from, ReadReplacement(node.Get("content")));
  } else if (type == "Strip" && out->fused && node.Get("content").String() == " " &&
             node.Get("start").Integer() <= 1 && node.Get("stop").Integer() == 0) {
    out->decoding.drops_leading_space |= node.Get("start").Integer() == 1;
  } else {
    node.Fail("decoder '" + type + "' is not supported in this place or with these values");
  }
}

struct Template {
  std::vector<TokenId> prefix;
  std::vector<TokenId> suffix;
};

void AppendTemplateToken(const JsonNode& processor, const std::string& name,
                         std::vector<TokenId>* ids) {
  for (const JsonNode& id : processor.Get("special_tokens").Get(name).Get("ids").Items()) {
    if (id.Integer() < 0 || id.Integer() >= kMaxVocabSize) id.Fail("is not a token id");
    ids->push_back(static_cast<TokenId>(id.Integer()));
  }
}

void ReadPostProcessor(const JsonNode& node, Template* out) {
  const std::string type = node.Type();
  if (type == "Sequence") {
    for (const JsonNode& child : node.Get("processors").Items()) ReadPostProcessor(child, out);
  } else if (type == "TemplateProcessing") {
    int num_sequences = 0;
    for (const JsonNode& part : node.Get("single").Items()) {
      if (part.Find("Sequence")) {
        ++num_sequences;
      } else {
        AppendTemplateToken(node, part.Get("SpecialToken").Get("id").String(),
                            num_sequences == 0 ? &out->prefix : &out->suffix);
      }
    }
    if (num_sequences != 1) node.Fail("'single' does not have the text exactly once");
  } else if (type != "ByteLevel") {  // that one only trims offsets
    node.Fail("post_processor '" + type + "' is not supported");
  }
}

// ---- putting it together ----

// Special tokens that the configuration names and the vocabulary has.
void AddNamedSpecialTokens(const TokenizerConfig& config, BpeTokenizerParts* parts) {
  auto is_added = [&](const std::string& name) {
    return std::any_of(parts->added_tokens.begin(), parts->added_tokens.end(),
                       [&](const AddedToken& token) { return token.content == name; });
  };
  for (const std::string& name : config.special_tokens) {
    if (name.empty() || is_added(name)) continue;
    for (const auto& [text, id] : parts->vocabulary.tokens) {
      if (text == name) {
        parts->added_tokens.push_back({.id = id, .content = name, .special = true});
        break;
      }
    }
  }
}

std::optional<TokenId> FindAdded(const BpeTokenizerParts& parts,
                                 const std::optional<std::string>& name) {
  for (const AddedToken& token : parts.added_tokens) {
    if (name && token.content == *name) return token.id;
  }
  return std::nullopt;
}

std::unique_ptr<const Tokenizer> Build(const std::filesystem::path& path,
                                       const TokenizerConfig& config, BpeTokenizerParts parts) {
  AddConfiguredTokens(config, &parts.added_tokens);
  AddNamedSpecialTokens(config, &parts);
  parts.bos_id = FindAdded(parts, config.bos_token);
  parts.eos_id = FindAdded(parts, config.eos_token);
  // What the configuration says about its bos and eos counts more than the template.
  if (config.add_bos_token) {
    parts.prefix.clear();
    if (*config.add_bos_token && parts.bos_id) parts.prefix.push_back(*parts.bos_id);
  }
  if (config.add_eos_token) {
    parts.suffix.clear();
    if (*config.add_eos_token && parts.eos_id) parts.suffix.push_back(*parts.eos_id);
  }
  try {
    return std::make_unique<BpeTokenizer>(std::move(parts));
  } catch (const FormatError& error) {
    throw FormatError(path.string() + ": " + error.what());
  }
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
    std::vector<Normalizer::Step> steps;
    ReadNormalizer(*node, &steps);
    parts.normalizer = Normalizer(std::move(steps));
  }
  PreTokenizerSteps words;
  if (const auto node = root.Find("pre_tokenizer")) ReadPreTokenizer(*node, &words);
  parts.pre_tokenizer = PreTokenizer(std::move(words.steps));
  parts.vocabulary.byte_level = words.byte_level;

  DecoderSteps decoder;
  if (const auto node = root.Find("decoder")) ReadDecoder(*node, &decoder);
  if (decoder.byte_level != words.byte_level) {
    root.Fail("pre_tokenizer and decoder must both be ByteLevel, or neither");
  }
  parts.decoding = std::move(decoder.decoding);

  if (const auto node = root.Find("post_processor")) {
    Template around;
    ReadPostProcessor(*node, &around);
    parts.prefix = std::move(around.prefix);
    parts.suffix = std::move(around.suffix);
  }
  return Build(path, config, std::move(parts));
}

std::unique_ptr<const Tokenizer> LoadVocabularyAndMerges(const std::filesystem::path& vocabulary,
                                                         const std::filesystem::path& merges,
                                                         const TokenizerConfig& config) {
  BpeTokenizerParts parts;
  const nlohmann::json document = ReadTokenizerJson(vocabulary);
  parts.vocabulary.tokens = ReadVocabulary(JsonNode(document, vocabulary.string()));
  const std::string text = ReadTokenizerFile(merges);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) {
      parts.vocabulary.merges.push_back(SplitMerge(line, merges.string()));
    }
    begin = end + 1;
  }

  const bool is_qwen = config.tokenizer_class.starts_with("Qwen2");
  std::vector<PreTokenizer::Step> steps;
  if (config.add_prefix_space) steps.push_back(PrefixSpaceStep{});
  steps.push_back(
      SplitStep{Regex(is_qwen ? kQwenPattern : kGpt2Pattern), SplitBehavior::kIsolated});
  parts.pre_tokenizer = PreTokenizer(std::move(steps));
  if (is_qwen) {
    std::vector<Normalizer::Step> normal_form;
    normal_form.emplace_back(NormalForm::kNfc);
    parts.normalizer = Normalizer(std::move(normal_form));
  }

  TokenizerConfig completed = config;
  if (!completed.bos_token && !completed.eos_token) {
    completed.bos_token = completed.eos_token = "<|endoftext|>";  // GPT-2's defaults
    completed.special_tokens.push_back("<|endoftext|>");
  }
  return Build(vocabulary, completed, std::move(parts));
}

}  // namespace tandem
