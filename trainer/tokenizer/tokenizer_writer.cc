#include "trainer/tokenizer/tokenizer_writer.h"

#include <nlohmann/json.hpp>

#include "engine/base/atomic_file.h"

namespace tandem {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson ByteLevelStep(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

OrderedJson SplitStep(std::string_view pattern) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", pattern}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

// GPT-2's pattern is part of the ByteLevel step.
OrderedJson PreTokenizerJson(KnownPattern pattern) {
  std::string_view text;
  switch (pattern) {
    case KnownPattern::kGpt2:
      return ByteLevelStep(true);
    case KnownPattern::kLlama3:
      text = kLlama3Pattern;
      break;
    case KnownPattern::kQwen:
      text = kQwenPattern;
      break;
  }
  const OrderedJson steps = OrderedJson::array({SplitStep(text), ByteLevelStep(false)});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

OrderedJson AddedTokenJson(const AddedTokenRow& token) {
  return {{"content", token.content}, {"lstrip", false},      {"normalized", false},
          {"rstrip", false},          {"single_word", false}, {"special", token.special}};
}

std::string JsonString(std::string_view text) { return OrderedJson(text).dump(); }

// One token or merge a line. By hand: an object of the library that keeps its order looks through
// all of its names at each insertion.
std::string BpeJson(const TrainedBpe& bpe) {
  std::string text =
      "{\n\"type\": \"BPE\",\n\"dropout\": null,\n\"unk_token\": null,\n"
      "\"continuing_subword_prefix\": null,\n\"end_of_word_suffix\": null,\n\"fuse_unk\": false,\n"
      "\"byte_fallback\": false,\n\"ignore_merges\": false,\n\"vocab\": {";
  for (size_t id = 0; id < bpe.tokens.size(); ++id) {
    text += id > 0 ? ",\n" : "\n";
    text += JsonString(bpe.tokens[id]) + ": " + std::to_string(id);
  }
  text += "\n},\n\"merges\": [";
  for (size_t rank = 0; rank < bpe.merges.size(); ++rank) {
    const auto& [left, right] = bpe.merges[rank];
    text += rank > 0 ? ",\n" : "\n";
    text += JsonString(bpe.tokens[static_cast<size_t>(left)] + " " +
                       bpe.tokens[static_cast<size_t>(right)]);
  }
  return text + "\n]\n}";
}

}  // namespace

std::string FormatTokenizerJson(const TokenizerDescription& tokenizer) {
  OrderedJson added = OrderedJson::array();
  for (const AddedTokenRow& token : tokenizer.added_tokens) {
    OrderedJson row = {{"id", added.size()}};
    row.update(AddedTokenJson(token));
    added.push_back(std::move(row));
  }
  std::string text = "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n";
  text += "\"added_tokens\": " + added.dump(1) + ",\n";
  text += "\"normalizer\": null,\n";
  text += "\"pre_tokenizer\": " + PreTokenizerJson(tokenizer.pattern).dump(1) + ",\n";
  text += "\"post_processor\": null,\n";
  text += "\"decoder\": " + ByteLevelStep(true).dump(1) + ",\n";
  text += "\"model\": " + BpeJson(tokenizer.bpe) + "\n}\n";
  return text;
}

std::string FormatTokenizerConfig(const TokenizerDescription& tokenizer) {
  OrderedJson decoder = OrderedJson::object();
  OrderedJson special = OrderedJson::array();
  for (size_t id = 0; id < tokenizer.added_tokens.size(); ++id) {
    const AddedTokenRow& token = tokenizer.added_tokens[id];
    decoder[std::to_string(id)] = AddedTokenJson(token);
    if (token.special && token.content != kEndOfText) special.push_back(token.content);
  }
  const OrderedJson config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                              {"add_bos_token", false},
                              {"add_eos_token", false},
                              {"add_prefix_space", false},
                              {"added_tokens_decoder", decoder},
                              {"additional_special_tokens", special},
                              {"bos_token", kTurnBegin},
                              {"eos_token", kTurnEnd},
                              {"pad_token", kEndOfText},
                              {"unk_token", kEndOfText},
                              {"clean_up_tokenization_spaces", false},
                              {"model_max_length", tokenizer.max_length},
                              {"chat_template", TrainedChatTemplate()}};
  return config.dump(1) + "\n";
}

void WriteTokenizer(const TokenizerDescription& tokenizer, const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  WriteFileAtomically(directory / "tokenizer.json", FormatTokenizerJson(tokenizer));
  WriteFileAtomically(directory / "tokenizer_config.json", FormatTokenizerConfig(tokenizer));
}

}  // namespace tandem
