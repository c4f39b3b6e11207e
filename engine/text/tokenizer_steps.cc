#include "engine/text/tokenizer_steps.h"

#include "engine/text/json_access.h"
#include "engine/text/known_pattern.h"
#include "engine/text/piece_table.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

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

void AddNormalizer(const JsonNode& node, std::vector<Normalizer::Step>* steps) {
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
  } else if (type == "Lowercase") {
    steps->push_back(LowercaseStep{});
  } else if (type == "Strip") {
    steps->push_back(StripStep{node.BoolOr("strip_left", true), node.BoolOr("strip_right", true)});
  } else if (type == "StripAccents") {
    steps->push_back(StripMarksStep{});
  } else if (type == "Sequence") {
    for (const JsonNode& child : node.Get("normalizers").Items()) AddNormalizer(child, steps);
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

// The signs of ASCII that Unicode counts as symbols are punctuation here.
constexpr std::string_view kPunctuation = R"([\p{P}$+<=>^`|~])";
constexpr std::string_view kWhitespace = R"(\s+)";
// Words of what IsWordCharacter knows (\w is another set in patterns of a file), or signs.
std::string WordsPattern() {
  const std::string word =
      R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149})"
      R"(\x{1F150}-\x{1F169}\x{1F170}-\x{1F189})";
  return "[" + word + "]+|[^\\s" + word + "]+";
}

// Steps that are a pattern; false: it is none of them.
bool AddPatternStep(const JsonNode& node, std::vector<PreTokenizer::Step>* steps) {
  const std::string type = node.Type();
  auto add = [&](Regex pattern, SplitBehavior behavior, bool invert = false) {
    steps->push_back(SplitStep{std::move(pattern), behavior, invert});
  };
  if (type == "Split") {
    add(ReadPattern(node.Get("pattern")), ReadBehavior(node.Get("behavior")),
        node.BoolOr("invert", false));
  } else if (type == "CharDelimiterSplit") {
    const std::string delimiter = node.Get("delimiter").String();
    if (delimiter.empty()) node.Fail("the delimiter is empty");
    add(Regex::Literal(delimiter), SplitBehavior::kRemoved);
  } else if (type == "Digits") {
    const bool individual = node.BoolOr("individual_digits", false);
    add(Regex("\\p{N}"), individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  } else if (type == "Punctuation") {
    const auto behavior = node.Find("behavior");
    add(Regex(kPunctuation), behavior ? ReadBehavior(*behavior) : SplitBehavior::kIsolated);
  } else if (type == "WhitespaceSplit") {
    add(Regex(kWhitespace), SplitBehavior::kRemoved);
  } else if (type == "Whitespace") {
    add(Regex(WordsPattern()), SplitBehavior::kRemoved, true);
  } else {
    return false;
  }
  return true;
}

void AddPreTokenizer(const JsonNode& node, PreTokenizerSteps* out) {
  const std::string type = node.Type();
  CheckNumSteps(node, out->steps.size());
  if (type == "Sequence") {
    for (const JsonNode& child : node.Get("pretokenizers").Items()) AddPreTokenizer(child, out);
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
  } else if (type == "Metaspace") {
    out->steps.push_back(ReadMetaspace(node));
  } else if (!AddPatternStep(node, &out->steps)) {
    node.Fail("pre_tokenizer '" + type + "' is not supported");
  }
}

void AddDecoder(const JsonNode& node, DecoderSteps* out) {
  const std::string type = node.Type();
  CheckNumSteps(node, out->decoding.replacements.size());
  if (type == "Sequence") {
    for (const JsonNode& child : node.Get("decoders").Items()) AddDecoder(child, out);
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
  } else if (type == "Metaspace" && !out->fused) {
    const MetaspaceStep step = ReadMetaspace(node);
    out->decoding.replacements.emplace_back(step.replacement, " ");
    if (step.prepend != MetaspaceStep::Prepend::kNever) {
      out->decoding.leading_spaces = PieceDecoding::LeadingSpaces::kDropAll;
    }
  } else if (type == "Strip" && out->fused && node.Get("content").String() == " " &&
             node.Get("start").Integer() <= 1 && node.Get("stop").Integer() == 0) {
    if (node.Get("start").Integer() == 1) {
      out->decoding.leading_spaces = PieceDecoding::LeadingSpaces::kDropOne;
    }
  } else {
    node.Fail("decoder '" + type + "' is not supported in this place or with these values");
  }
}

TokenId ReadTokenId(const JsonNode& node) {
  const int64_t id = node.Integer();
  if (id < 0 || id >= kMaxVocabSize) {
    node.Fail("is " + std::to_string(id) + ", and not a token id: those are from 0 to " +
              std::to_string(kMaxVocabSize - 1));
  }
  return static_cast<TokenId>(id);
}

// ["</s>", 2]
TokenId ReadNamedToken(const JsonNode& node) {
  const std::vector<JsonNode> items = node.Items();
  if (items.size() != 2) node.Fail("is not a token and its id");
  return ReadTokenId(items[1]);
}

void AppendTemplateToken(const JsonNode& processor, const std::string& name,
                         std::vector<TokenId>* ids) {
  for (const JsonNode& id : processor.Get("special_tokens").Get(name).Get("ids").Items()) {
    ids->push_back(ReadTokenId(id));
  }
}

void AddPostProcessor(const JsonNode& node, TokenTemplate* out) {
  const std::string type = node.Type();
  if (type == "Sequence") {
    for (const JsonNode& child : node.Get("processors").Items()) AddPostProcessor(child, out);
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
  } else if (type == "RobertaProcessing" || type == "BertProcessing") {
    out->prefix.push_back(ReadNamedToken(node.Get("cls")));
    out->suffix.push_back(ReadNamedToken(node.Get("sep")));
  } else if (type != "ByteLevel") {  // that one only trims offsets
    node.Fail("post_processor '" + type + "' is not supported");
  }
}

}  // namespace

std::vector<Normalizer::Step> ReadNormalizer(const JsonNode& node) {
  std::vector<Normalizer::Step> steps;
  AddNormalizer(node, &steps);
  return steps;
}

PreTokenizerSteps ReadPreTokenizer(const JsonNode& node) {
  PreTokenizerSteps steps;
  AddPreTokenizer(node, &steps);
  return steps;
}

DecoderSteps ReadDecoder(const JsonNode& node) {
  DecoderSteps steps;
  AddDecoder(node, &steps);
  return steps;
}

TokenTemplate ReadPostProcessor(const JsonNode& node) {
  TokenTemplate around;
  AddPostProcessor(node, &around);
  return around;
}

}  // namespace tandem
