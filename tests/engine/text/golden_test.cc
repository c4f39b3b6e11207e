// Ids and text against the reference implementations; tests/golden/make_text.py writes the files.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "engine/text/detokenizer.h"
#include "engine/text/tokenizer.h"

namespace tandem {
namespace {

using nlohmann::json;
using Ids = std::vector<TokenId>;

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden/text";
const std::filesystem::path kData = TANDEM_SOURCE_DIR "/../shared/data";

json ReadJson(const std::filesystem::path& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  return json::parse(in);
}

std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts;
  const json document = ReadJson(kGolden / "texts.json");
  for (const json& text : document["texts"]) {
    if (text.is_string()) {
      texts.push_back(text);
      continue;
    }
    const std::string hex = text["hex"];
    std::string bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    texts.push_back(bytes);
  }
  return texts;
}

std::string Stream(const Tokenizer& tokenizer, const Ids& ids) {
  Detokenizer detokenizer(tokenizer);
  std::string text;
  for (const TokenId id : ids) text += detokenizer.Push(id);
  return text + detokenizer.Finish();
}

void CheckAgainst(const std::string& golden_name, const Tokenizer& tokenizer) {
  const json golden = ReadJson(kGolden / (golden_name + ".json"));
  const std::vector<std::string> texts = ReadTexts();
  ASSERT_EQ(golden["ids"].size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    SCOPED_TRACE("text " + std::to_string(i) + ": " + texts[i]);
    const Ids ids = golden["ids"][i];
    EXPECT_EQ(tokenizer.Encode(texts[i], SpecialTokens::kNone), ids);
    EXPECT_EQ(tokenizer.Decode(ids), golden["decoded"][i]);
    EXPECT_EQ(Stream(tokenizer, ids), golden["decoded"][i]);
  }
  for (const json& special : golden["special"]) {
    const std::string& text = texts[special[0].get<size_t>()];
    EXPECT_EQ(tokenizer.Encode(text, SpecialTokens::kAdd), special[1].get<Ids>()) << text;
  }
  for (size_t i = 0; i < golden["random"].size(); ++i) {
    const Ids ids = golden["random"][i];
    EXPECT_EQ(tokenizer.Decode(ids), golden["random_decoded"][i]) << golden["random"][i];
  }
}

class OwnTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(OwnTokenizer, GivesTheReferenceIdsAndText) {
  CheckAgainst(GetParam(), *LoadTokenizer(kGolden / GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Golden, OwnTokenizer,
                         testing::Values("byte_level", "llama3", "prefix_space", "character_level",
                                         "qwen2_files", "spm_bpe", "spm_unigram"),
                         [](const auto& suite) { return std::string(suite.param); });

struct Published {
  const char* name;
  const char* directory;
};

class PublishedTokenizer : public testing::TestWithParam<Published> {};

TEST_P(PublishedTokenizer, GivesTheReferenceIdsAndText) {
  const std::filesystem::path directory = kData / GetParam().directory;
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
  CheckAgainst(std::string("published_") + GetParam().name, *LoadTokenizer(directory));
}

INSTANTIATE_TEST_SUITE_P(Golden, PublishedTokenizer,
                         testing::Values(Published{"minimind", "tokenizers/minimind"},
                                         Published{"minimind2", "tokenizers/minimind2"},
                                         Published{"gpt2", "tokenizers/gpt2"},
                                         Published{"qwen2", "tokenizers/qwen2"},
                                         Published{"mistral", "tokenizers/mistral"},
                                         Published{"stories260K", "models/stories260K"}),
                         [](const auto& suite) { return std::string(suite.param.name); });

// The separator of llama.cpp's vector files.
std::vector<std::string> SplitVectors(const std::string& text) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  return parts;
}

class LlamaCppVectors : public testing::TestWithParam<Published> {};

TEST_P(LlamaCppVectors, AreOurIds) {
  const std::string stem =
      std::string("tokenizers/vectors/ggml-vocab-") + GetParam().name + ".gguf";
  const std::filesystem::path inputs = kData / (stem + ".inp");
  const std::filesystem::path outputs = kData / (stem + ".out");
  if (!std::filesystem::exists(inputs)) GTEST_SKIP() << inputs << " is not there";
  const auto tokenizer = LoadTokenizer(kData / GetParam().directory);
  std::ifstream in(inputs, std::ios::binary);
  std::ifstream out(outputs);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  int num_vectors = 0;
  for (const std::string& input : SplitVectors(text)) {
    std::string line;
    ASSERT_TRUE(std::getline(out, line));
    std::istringstream numbers(line);
    const Ids ids{std::istream_iterator<TokenId>(numbers), {}};
    EXPECT_EQ(tokenizer->Encode(input, SpecialTokens::kNone), ids) << input;
    ++num_vectors;
  }
  EXPECT_GE(num_vectors, 40);
}

INSTANTIATE_TEST_SUITE_P(Golden, LlamaCppVectors,
                         testing::Values(Published{"gpt-2", "tokenizers/gpt2"},
                                         Published{"qwen2", "tokenizers/qwen2"}),
                         [](const auto& suite) {
                           return std::string(suite.param.name) == "qwen2" ? "qwen2" : "gpt2";
                         });

TEST(SentencePieceTestModel, GivesTheReferenceIdsAndText) {
  const auto model = kData / "tokenizers/sentencepiece/test_model.model";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << model << " is not there";
  const auto directory = std::filesystem::path(testing::TempDir()) / "sentencepiece_test_model";
  std::filesystem::create_directories(directory);
  std::filesystem::copy_file(model, directory / "tokenizer.model",
                             std::filesystem::copy_options::overwrite_existing);
  CheckAgainst("published_sentencepiece", *LoadTokenizer(directory));
}

TEST(SentencePieceNotLegacy, PutsTheDummyPrefixOnlyBeforeTheText) {
  const auto directory = std::filesystem::path(testing::TempDir()) / "spm_bpe_not_legacy";
  std::filesystem::create_directories(directory);
  std::filesystem::copy_file(kGolden / "spm_bpe/tokenizer.model", directory / "tokenizer.model",
                             std::filesystem::copy_options::overwrite_existing);
  std::ofstream(directory / "tokenizer_config.json")
      << R"({"tokenizer_class": "LlamaTokenizer", "legacy": false})";
  CheckAgainst("spm_bpe_not_legacy", *LoadTokenizer(directory));
}

TEST(Stories260K, EncodesThePromptWithBos) {
  const auto directory = kData / "models/stories260K";
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
  const auto tokenizer = LoadTokenizer(directory);
  EXPECT_EQ(tokenizer->Encode("Once upon a time", SpecialTokens::kAdd),
            (Ids{1, 403, 407, 261, 378}));
  EXPECT_EQ(tokenizer->vocab_size(), 512);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
}

TEST(CharacterTokenizer, IsRefusedWithWhatWasLookedFor) {
  const auto directory = kData / "models/arithmetic-random";
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
  try {
    LoadTokenizer(directory);
    FAIL() << "was loaded";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("tokenizer.model"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tandem
