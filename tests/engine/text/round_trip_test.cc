// Text to ids and back on the committed tokenizers: random texts, hostile ones, every split of the
// stream.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/text/detokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"

namespace tandem {
namespace {

using Ids = std::vector<TokenId>;

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden/text";

// Words, signs, spaces, scripts, marks, special tokens, and bytes that are no UTF-8.
std::string RandomText(std::mt19937_64& random) {
  static const std::vector<std::string> kParts = {
      "the",        " kettle",     "They're",
      " 1234",      "\n\n",        "  ",
      "\t",         "!?",          "\u4ECA\u5929",
      "\uFF0C",     "caf\u00E9",   "e\u0301",
      "\u0438",     "\U0001F642",  "\U0001F468\u200D\U0001F469",
      "\u2581",     "_",           "'",
      "\r\n",       "<s>",         "<|im_start|>",
      "<|im_end|>", "</s>",        "\xFF",
      "\xE4\xB8",   "\x80",        "\xF0\x9F\x99",
      "\xC3",       "\xED\xA0\x80"};
  std::string text;
  for (size_t n = random() % 24; n > 0; --n) text += kParts[random() % kParts.size()];
  return text;
}

class Fixture : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<const Tokenizer> tokenizer_ = LoadTokenizer(kGolden / GetParam());
};

using EveryTokenizer = Fixture;

TEST_P(EveryTokenizer, StreamsTheSameTextAtEverySplit) {
  std::mt19937_64 random(12);
  for (int i = 0; i < 400; ++i) {
    Ids ids = tokenizer_->Encode(RandomText(random), SpecialTokens::kAdd);
    for (size_t n = random() % 3; n > 0; --n) {  // what a model may draw
      ids.push_back(
          static_cast<TokenId>(random() % static_cast<uint64_t>(tokenizer_->vocab_size())));
    }
    const std::string whole = tokenizer_->Decode(ids);
    Detokenizer detokenizer(*tokenizer_);
    std::string streamed;
    for (size_t split = 0; split <= ids.size(); ++split) {
      ASSERT_TRUE(whole.starts_with(streamed)) << streamed;
      Detokenizer until_here = detokenizer;
      const Ids before(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(split));
      ASSERT_EQ(streamed + until_here.Finish(), tokenizer_->Decode(before));
      if (split < ids.size()) streamed += detokenizer.Push(ids[split]);
    }
    ASSERT_EQ(streamed + detokenizer.Finish(), whole);
  }
}

INSTANTIATE_TEST_SUITE_P(Own, EveryTokenizer,
                         testing::Values("byte_level", "llama3", "prefix_space", "character_level",
                                         "qwen2_files", "spm_bpe", "spm_unigram"),
                         [](const auto& suite) { return std::string(suite.param); });

using LosslessTokenizer = Fixture;

TEST_P(LosslessTokenizer, GivesTheTextBack) {
  std::mt19937_64 random(13);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = RandomText(random);
    const Ids ids = tokenizer_->Encode(text, SpecialTokens::kNone);
    ASSERT_EQ(tokenizer_->Decode(ids, /*skip_special=*/false), ReplaceInvalidUtf8(text));
  }
}

std::string Repeat(std::string_view unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

// A mebibyte each. Not timed: what is quadratic here does not end within an hour.
TEST_P(LosslessTokenizer, GetsThroughHostileTexts) {
  constexpr size_t kBytes = 1 << 20;
  std::mt19937_64 random(14);
  std::string random_bytes(kBytes, '\0');
  for (char& byte : random_bytes) byte = static_cast<char>(random());
  const std::vector<std::string> texts = {
      Repeat("a", kBytes),       Repeat(" ", kBytes),
      Repeat(" ", kBytes) + "x", Repeat(" \n", kBytes),
      Repeat("\u4E2D", kBytes),  Repeat("<|im_start|", kBytes),
      Repeat("<", kBytes),       "a" + Repeat("\u0301\u0323", kBytes),
      Repeat("'", kBytes),       random_bytes};
  for (const std::string& text : texts) {
    const Ids ids = tokenizer_->Encode(text, SpecialTokens::kNone);
    ASSERT_TRUE(tokenizer_->Decode(ids, /*skip_special=*/false) == ReplaceInvalidUtf8(text))
        << text.substr(0, 20);
  }
}

INSTANTIATE_TEST_SUITE_P(Own, LosslessTokenizer, testing::Values("byte_level", "llama3"),
                         [](const auto& suite) { return std::string(suite.param); });

// Normalisation puts the marks in order, so the text is another one.
TEST(NormalizingTokenizer, GetsThroughAMillionMarks) {
  const auto tokenizer = LoadTokenizer(kGolden / "qwen2_files");
  const std::string text = "a" + Repeat("\u0345", 1 << 20) + Repeat("\u0334", 1 << 20);
  const Ids ids = tokenizer->Encode(text, SpecialTokens::kNone);
  EXPECT_TRUE(tokenizer->Decode(ids) == Normalize(text, NormalForm::kNfc));
}

}  // namespace
}  // namespace tandem
