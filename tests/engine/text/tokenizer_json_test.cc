// Tokenizer files that are broken, hostile, or ask for what is not supported.

#include "engine/text/tokenizer_json.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kernels/core/error.h"

namespace tandem {
namespace {

using nlohmann::json;
using Ids = std::vector<TokenId>;

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden/text";

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A directory of this test, with the files given.
class Directory {
 public:
  Directory() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string(test->test_suite_name()) + "." + test->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Directory() { std::filesystem::remove_all(path_); }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  std::unique_ptr<const Tokenizer> Load() const { return LoadTokenizer(path_); }

  // The message of the FormatError; empty when the tokenizer loads.
  std::string Problem() const {
    try {
      Load();
      return "";
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos) << error.what();
      return error.what();
    }
  }

 private:
  std::filesystem::path path_;
};

json Small() {
  return json::parse(R"({
    "added_tokens": [{"id": 4, "content": "<s>", "special": true}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3}, "merges": ["a b"]}
  })");
}

std::string ProblemOf(const json& tokenizer) {
  const Directory directory;
  directory.Write("tokenizer.json", tokenizer.dump());
  return directory.Problem();
}

// `tokenizer` with the value at `pointer` replaced.
std::string ProblemWith(const char* pointer, const json& value) {
  json tokenizer = Small();
  tokenizer[json::json_pointer(pointer)] = value;
  return ProblemOf(tokenizer);
}

testing::AssertionResult Mentions(const std::string& problem, const std::string& word) {
  if (problem.find(word) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << problem << "' does not mention '" << word << "'";
}

TEST(TokenizerJson, LoadsASmallFile) {
  const Directory directory;
  directory.Write("tokenizer.json", Small().dump());
  const auto tokenizer = directory.Load();
  EXPECT_EQ(tokenizer->Encode("ab<s> ba", SpecialTokens::kAdd), (Ids{2, 4, 3, 1, 0}));
  EXPECT_EQ(tokenizer->vocab_size(), 5);
  EXPECT_EQ(tokenizer->FindToken("<s>"), 4);
  EXPECT_EQ(tokenizer->FindToken(" "), 3);
  EXPECT_EQ(tokenizer->FindToken("zz"), std::nullopt);
  EXPECT_TRUE(tokenizer->IsSpecial(4));
  EXPECT_FALSE(tokenizer->IsSpecial(2));
  EXPECT_EQ(tokenizer->TokenBytes(3), " ");
  EXPECT_EQ(tokenizer->TokenBytes(4), "<s>");
  EXPECT_EQ(tokenizer->TokenBytes(-1), "");
  EXPECT_EQ(tokenizer->TokenBytes(1000), "");
  EXPECT_FALSE(tokenizer->IsSpecial(-1));
  EXPECT_EQ(tokenizer->Decode({2, 3, 1, -7, 99999}), "ab b");
}

TEST(TokenizerJson, ReadsMergesAsPairs) {
  json tokenizer = Small();
  tokenizer["model"]["merges"] = json::array({json::array({"a", "b"})});
  EXPECT_EQ(ProblemOf(tokenizer), "");
}

TEST(TokenizerJson, RefusesWrongIds) {
  EXPECT_TRUE(Mentions(ProblemWith("/model/vocab/a", -1), "'a'"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/vocab/a", int64_t{1} << 40), "1099511627776"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/vocab/a", UINT64_MAX), "too large"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/vocab/a", 1), "another token"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/vocab/a", 1.5), "not an integer"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/vocab/a", "0"), "not an integer"));
  EXPECT_TRUE(Mentions(ProblemWith("/added_tokens/0/id", -4), "-4"));
  EXPECT_TRUE(Mentions(ProblemWith("/added_tokens/0/id", int64_t{1} << 40), "1099511627776"));
  EXPECT_TRUE(Mentions(ProblemWith("/added_tokens/0/id", 2), "the id of 'ab'"));
  EXPECT_TRUE(Mentions(ProblemWith("/added_tokens/0/content", "ab"), "the vocabulary says 2"));
}

TEST(TokenizerJson, RefusesATemplateOutsideOfTheVocabulary) {
  const json around = json::parse(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"x": {"ids": [4]}}})");
  EXPECT_EQ(ProblemWith("/post_processor", around), "");
  json outside = around;
  outside["special_tokens"]["x"]["ids"] = {5};
  EXPECT_TRUE(Mentions(ProblemWith("/post_processor", outside), "adds the token 5"));
}

TEST(TokenizerJson, ReadsTheTemplateOfRoberta) {
  const json around = {{"type", "RobertaProcessing"}, {"cls", {"<s>", 4}}, {"sep", {"b", 1}}};
  json tokenizer = Small();
  tokenizer["post_processor"] = around;
  const Directory directory;
  directory.Write("tokenizer.json", tokenizer.dump());
  EXPECT_EQ(directory.Load()->Encode("ab", SpecialTokens::kAdd), (Ids{4, 2, 1}));
  EXPECT_TRUE(Mentions(ProblemWith("/post_processor", {{"type", "BertProcessing"}}), "cls"));
  json wrong = around;
  wrong["sep"] = {"b"};
  EXPECT_TRUE(Mentions(ProblemWith("/post_processor", wrong), "sep"));
}

json Repeated(const char* list, const json& step, int count) {
  json steps = json::array();
  for (int i = 0; i < count; ++i) steps.push_back(step);
  return {{"type", "Sequence"}, {list, steps}};
}

// Steps that each double the text.
TEST(TokenizerJson, RefusesStepsThatGrowWithoutEnd) {
  const json doubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  json tokenizer = Small();
  tokenizer["pre_tokenizer"] = nullptr;
  tokenizer["decoder"] = Repeated("decoders", doubling, 40);
  EXPECT_TRUE(Mentions(ProblemOf(tokenizer), "the decoder makes"));
  tokenizer["decoder"] = Repeated("decoders", doubling, 65);
  EXPECT_TRUE(Mentions(ProblemOf(tokenizer), "more than 64 steps"));

  const Directory directory;
  tokenizer = Small();
  tokenizer["normalizer"] = Repeated("normalizers", doubling, 40);
  directory.Write("tokenizer.json", tokenizer.dump());
  const auto loaded = directory.Load();
  EXPECT_THROW(loaded->Encode("a", SpecialTokens::kNone), FormatError);
  EXPECT_EQ(loaded->Encode("b", SpecialTokens::kNone), Ids{1});

  const json space = {{"type", "Metaspace"}, {"replacement", " "}};
  const json word = {{"type", "Metaspace"}, {"replacement", "ab"}};
  EXPECT_TRUE(Mentions(ProblemWith("/pre_tokenizer", space), "one character"));
  EXPECT_TRUE(Mentions(ProblemWith("/pre_tokenizer", word), "one character"));
  json long_replacement = doubling;
  long_replacement["content"] = std::string(1025, 'x');
  EXPECT_TRUE(Mentions(ProblemWith("/normalizer", long_replacement), "1025 bytes"));
}

TEST(TokenizerJson, RefusesWrongMerges) {
  EXPECT_TRUE(Mentions(ProblemWith("/model/merges/0", "a z"), "'z'"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/merges/0", "b a"), "'ba'"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/merges/0", "ab"), "two tokens"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/merges/0", "a b c"), "two tokens"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/merges/0", 7), "pair"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/merges/0", json::array({"a"})), "pair"));
}

TEST(TokenizerJson, RefusesWrongTypes) {
  const std::vector<json> values = {7, "text", true, json::array({1}), json::object({{"x", 1}})};
  for (const char* pointer :
       {"/model", "/model/vocab", "/model/merges", "/added_tokens", "/added_tokens/0",
        "/added_tokens/0/content", "/pre_tokenizer", "/pre_tokenizer/type", "/decoder",
        "/normalizer", "/post_processor"}) {
    for (const json& value : values) {
      const std::string problem = ProblemWith(pointer, value);
      if (problem.empty()) {
        // A string is a fine content, and an object a fine (small) vocabulary.
        EXPECT_TRUE(value.is_string()) << pointer << " " << value;
      }
    }
  }
}

TEST(TokenizerJson, NamesWhatIsNotSupported) {
  EXPECT_TRUE(Mentions(ProblemWith("/model/type", "Unigram"), "Unigram"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/end_of_word_suffix", "</w>"), "end_of_word_suffix"));
  EXPECT_TRUE(Mentions(ProblemWith("/pre_tokenizer/type", "BertPreTokenizer"), "BertPreTokenizer"));
  EXPECT_TRUE(Mentions(ProblemWith("/normalizer", {{"type", "Nmt"}}), "Nmt"));
  EXPECT_TRUE(Mentions(ProblemWith("/normalizer", {{"type", "Precompiled"}}), "Precompiled"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/dropout", 0.1), "dropout"));
  EXPECT_EQ(ProblemWith("/model/dropout", 0.0), "");
  EXPECT_TRUE(Mentions(ProblemWith("/decoder", {{"type", "WordPiece"}}), "WordPiece"));
  EXPECT_TRUE(
      Mentions(ProblemWith("/post_processor", {{"type", "OtherProcessing"}}), "OtherProcessing"));
  EXPECT_TRUE(Mentions(ProblemWith("/decoder", {{"type", "Fuse"}}), "ByteLevel"));
  EXPECT_TRUE(Mentions(ProblemWith("/model/unk_token", "<none>"), "<none>"));
  const json split = {
      {"type", "Split"}, {"pattern", {{"Regex", "[a&&b]"}}}, {"behavior", "Isolated"}};
  EXPECT_TRUE(Mentions(ProblemWith("/pre_tokenizer", split), "&&"));
}

TEST(TokenizerJson, RefusesWhatIsNotJson) {
  const Directory directory;
  for (const std::string& text : {std::string(), std::string("{"), std::string("\xff\xfe"),
                                  std::string(1 << 20, '['), std::string("null")}) {
    directory.Write("tokenizer.json", text);
    EXPECT_NE(directory.Problem(), "");
  }
  std::string deep = "1";
  for (int i = 0; i < 100; ++i) deep = "{\"a\":" + deep + "}";
  directory.Write("tokenizer.json", deep);
  EXPECT_TRUE(Mentions(directory.Problem(), "levels deep"));
}

TEST(TokenizerJson, SurvivesRandomDamage) {
  const Directory directory;
  const std::string original = ReadText(kGolden / "llama3/tokenizer.json");
  std::mt19937_64 random(6);
  int num_refused = 0;
  for (int i = 0; i < 150; ++i) {
    std::string damaged = original;
    for (size_t n = 1 + random() % 3; n > 0; --n) {
      damaged[random() % damaged.size()] = static_cast<char>(' ' + random() % 95);
    }
    if (i % 5 == 0) damaged.resize(random() % damaged.size());
    directory.Write("tokenizer.json", damaged);
    num_refused += !directory.Problem().empty();  // any other exception fails the test
  }
  EXPECT_GT(num_refused, 50);
}

TEST(TokenizerConfig, OverridesTheTemplate) {
  const Directory directory;
  json tokenizer = Small();
  tokenizer["post_processor"] = json::parse(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [4]}}})");
  directory.Write("tokenizer.json", tokenizer.dump());
  EXPECT_EQ(directory.Load()->Encode("a", SpecialTokens::kAdd), (Ids{4, 0}));
  EXPECT_EQ(directory.Load()->Encode("a", SpecialTokens::kNone), (Ids{0}));
  directory.Write("tokenizer_config.json",
                  R"({"bos_token": "<s>", "eos_token": {"content": "b"}, "add_bos_token": false,
                      "add_eos_token": true})");
  const auto loaded = directory.Load();
  EXPECT_EQ(loaded->Encode("a", SpecialTokens::kAdd), (Ids{0, 1}));
  EXPECT_EQ(loaded->bos_id(), 4);
  EXPECT_EQ(loaded->eos_id(), 1);
}

TEST(TokenizerConfig, IsRefusedWhenItIsBroken) {
  const Directory directory;
  directory.Write("tokenizer.json", Small().dump());
  for (const char* config : {"[]", "{", R"({"add_bos_token": "yes"})", R"({"tokenizer_class": 3})",
                             R"({"added_tokens_decoder": {"x": {"content": "y"}}})",
                             R"({"added_tokens_decoder": {"99999999999": {"content": "y"}}})",
                             R"({"added_tokens_decoder": {"2": {"content": "y"}}})",
                             R"({"added_tokens_decoder": [1]})"}) {
    directory.Write("tokenizer_config.json", config);
    EXPECT_NE(directory.Problem(), "") << config;
  }
}

TEST(VocabularyAndMerges, AreFoundUnderBothNames) {
  const Directory directory;
  directory.Write("encoder.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})");
  directory.Write("vocab.bpe", "#version: 0.2\na b\n");
  const auto tokenizer = directory.Load();
  EXPECT_EQ(tokenizer->Encode("ab<|endoftext|>", SpecialTokens::kAdd), (Ids{2, 3}));
  EXPECT_EQ(tokenizer->eos_id(), 3);
  EXPECT_TRUE(tokenizer->IsSpecial(3));
  directory.Write("vocab.bpe", "#version: 0.2\na b c\n");
  EXPECT_NE(directory.Problem(), "");
}

// A vocabulary whose special tokens stand in files of their own, as older checkpoints have them.
TEST(VocabularyAndMerges, TakeTokensOfTheFilesBesideThem) {
  const Directory directory;
  directory.Write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<pad>": 3})");
  directory.Write("merges.txt", "#version: 0.2\r\na b\r\n");
  directory.Write("added_tokens.json", R"({"<end>": 5, "<tool>": 4})");
  directory.Write("special_tokens_map.json",
                  R"({"eos_token": {"content": "<end>"}, "pad_token": "<pad>"})");
  const auto tokenizer = directory.Load();
  EXPECT_EQ(tokenizer->Encode("ab<tool>a<end><pad>", SpecialTokens::kNone), (Ids{2, 4, 0, 5, 3}));
  EXPECT_EQ(tokenizer->eos_id(), 5);
  EXPECT_TRUE(tokenizer->IsSpecial(3));
  EXPECT_FALSE(tokenizer->IsSpecial(4));
  EXPECT_TRUE(tokenizer->IsSpecial(5));
  EXPECT_EQ(tokenizer->Decode({2, 4, 5}), "ab<tool>");

  directory.Write("added_tokens.json", R"({"<end>": -1})");
  EXPECT_TRUE(Mentions(directory.Problem(), "added_tokens.json: <end>: id -1"));
  directory.Write("added_tokens.json", "[1]");
  EXPECT_TRUE(Mentions(directory.Problem(), "added_tokens.json"));
}

TEST(VocabularyAndMerges, TakeTheirConfigurationFirst) {
  const Directory directory;
  directory.Write("vocab.json", R"({"a": 0})");
  directory.Write("merges.txt", "");
  directory.Write("tokenizer_config.json", R"({"eos_token": "<x>",
      "added_tokens_decoder": {"1": {"content": "<x>", "special": true}}})");
  directory.Write("special_tokens_map.json", R"({"eos_token": "a", "bos_token": "<x>"})");
  directory.Write("added_tokens.json", R"({"<x>": 7, "<y>": 2})");
  const auto tokenizer = directory.Load();
  EXPECT_EQ(tokenizer->eos_id(), 1);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->FindToken("<y>"), 2);
}

TEST(VocabularyAndMerges, AreRefusedForAClassWithOtherWords) {
  const Directory directory;
  directory.Write("vocab.json", R"({"a": 0})");
  directory.Write("merges.txt", "");
  directory.Write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  EXPECT_TRUE(Mentions(directory.Problem(), "CLIPTokenizer"));
  EXPECT_TRUE(Mentions(directory.Problem(), "tokenizer.json"));
  directory.Write("tokenizer_config.json", R"({"tokenizer_class": "GPT2TokenizerFast"})");
  EXPECT_EQ(directory.Problem(), "");
  directory.Write("merges.txt", "#version: 0.2\na a\n\nwrong\n");
  EXPECT_TRUE(Mentions(directory.Problem(), "merges.txt: line 4"));
}

// Tokens are looked up by a trie, and never compared with one another.
TEST(AddedTokens, MayBeMany) {
  json tokenizer = Small();
  json added = json::array();
  json config = json::object();
  for (int i = 0; i < 30000; ++i) {
    added.push_back({{"id", 4 + i}, {"content", "<" + std::to_string(i) + ">"}});
    config[std::to_string(40000 + i)] = {{"content", "[" + std::to_string(i) + "]"}};
  }
  tokenizer["added_tokens"] = added;
  const Directory directory;
  directory.Write("tokenizer.json", tokenizer.dump());
  directory.Write("tokenizer_config.json", json{{"added_tokens_decoder", config}}.dump());
  const auto loaded = directory.Load();
  EXPECT_EQ(loaded->Encode("<29999>a<0>[7]", SpecialTokens::kNone), (Ids{30003, 0, 4, 40007}));
  EXPECT_TRUE(loaded->Encode(std::string(1 << 20, '<'), SpecialTokens::kNone).empty());
}

TEST(LoadTokenizer, SaysWhatItLookedFor) {
  const Directory directory;
  EXPECT_TRUE(Mentions(directory.Problem(), "tokenizer.model"));
}

TEST(BpeTokenizer, GivesTheSameIdsOnEveryThread) {
  const auto tokenizer = LoadTokenizer(kGolden / "byte_level");
  const std::string text = ReadText(TANDEM_SOURCE_DIR "/engine/text/bpe_model.cc");
  const Ids expected = tokenizer->Encode(text, SpecialTokens::kNone);
  std::vector<Ids> results(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& result : results) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) result = tokenizer->Encode(text, SpecialTokens::kNone);
      });
    }
  }
  for (const Ids& result : results) EXPECT_TRUE(result == expected);
  EXPECT_TRUE(tokenizer->Decode(expected) == text);
}

}  // namespace
}  // namespace tandem
