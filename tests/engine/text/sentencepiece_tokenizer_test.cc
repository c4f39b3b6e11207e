#include "engine/text/sentencepiece_tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/text/sentencepiece_model_options.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Ids = std::vector<TokenId>;

std::string ReadModel(const char* name) {
  std::ifstream in(std::string(TANDEM_SOURCE_DIR "/tests/golden/text/") + name + "/tokenizer.model",
                   std::ios::binary);
  EXPECT_TRUE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(SentencePieceTokenizer, DescribesItsTokens) {
  const SentencePieceTokenizer tokenizer(ReadModel("spm_bpe"), {});
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_TRUE(tokenizer.IsSpecial(1));
  EXPECT_TRUE(tokenizer.IsSpecial(2));
  EXPECT_FALSE(tokenizer.IsSpecial(0));
  EXPECT_FALSE(tokenizer.IsSpecial(-1));
  EXPECT_EQ(tokenizer.TokenBytes(0), " \u2047 ");
  EXPECT_EQ(tokenizer.TokenBytes(2), "</s>");
  EXPECT_EQ(tokenizer.TokenBytes(3 + 0x0A), "\n");
  EXPECT_EQ(tokenizer.TokenBytes(3 + 0xE4), "\xE4");
  EXPECT_EQ(tokenizer.TokenBytes(99999), "");
  const auto space = tokenizer.FindToken(" ");
  ASSERT_TRUE(space);
  EXPECT_EQ(tokenizer.TokenBytes(*space), " ");
  EXPECT_EQ(tokenizer.FindToken("</s>"), 2);
  EXPECT_EQ(tokenizer.FindToken("no such token"), std::nullopt);
  EXPECT_TRUE(tokenizer.DropsLeadingSpace());
  EXPECT_FALSE(tokenizer.DropsEveryLeadingSpace());
}

TEST(SentencePieceTokenizer, AddsWhatTheConfigurationSays) {
  TokenizerConfig config;
  const std::string model = ReadModel("spm_bpe");
  const Ids plain = SentencePieceTokenizer(model, config).Encode("the sea", SpecialTokens::kNone);
  Ids with_bos = plain;
  with_bos.insert(with_bos.begin(), 1);
  EXPECT_EQ(SentencePieceTokenizer(model, config).Encode("the sea", SpecialTokens::kAdd), with_bos);
  config.add_bos_token = false;
  EXPECT_EQ(SentencePieceTokenizer(model, config).Encode("the sea", SpecialTokens::kAdd), plain);
  config.add_eos_token = true;
  Ids with_eos = plain;
  with_eos.push_back(2);
  EXPECT_EQ(SentencePieceTokenizer(model, config).Encode("the sea", SpecialTokens::kAdd), with_eos);
}

TEST(SentencePieceTokenizer, TakesAddedTokensBehindItsVocabulary) {
  TokenizerConfig config;
  config.eos_token = "<|im_end|>";
  config.added_tokens = {{.id = 640, .content = "<|im_end|>", .special = true}};
  const SentencePieceTokenizer tokenizer(ReadModel("spm_bpe"), config);
  EXPECT_EQ(tokenizer.vocab_size(), 641);
  EXPECT_EQ(tokenizer.eos_id(), 640);
  EXPECT_EQ(tokenizer.Encode("<|im_end|>", SpecialTokens::kNone), Ids{640});
  EXPECT_EQ(tokenizer.Decode({640}), "");
  EXPECT_EQ(tokenizer.Decode({640}, false), "<|im_end|>");
}

TEST(SentencePieceTokenizer, RefusesAnAddedTokenInAnothersPlace) {
  TokenizerConfig config;
  config.added_tokens = {{.id = 2, .content = "<|im_end|>"}};
  EXPECT_THROW(SentencePieceTokenizer(ReadModel("spm_bpe"), config), FormatError);
}

TEST(SentencePieceTokenizer, RestoresBytesThatTheVocabularyLacks) {
  const SentencePieceTokenizer tokenizer(ReadModel("spm_bpe"), {});
  const std::string text = "鬱 🙂\n\t x";
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text, SpecialTokens::kAdd)), text);
}

TEST(SentencePieceTokenizer, RefusesWhatIsNoModel) {
  const std::string model = ReadModel("spm_bpe");
  const std::string_view junk("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10);
  for (const std::string& bytes : {std::string(), std::string("junk"), std::string(junk),
                                   std::string(1000, '\0'), model.substr(0, model.size() / 2)}) {
    EXPECT_THROW(SentencePieceTokenizer(bytes, {}), FormatError);
  }
}

TEST(SentencePieceModelOptions, ReadsTheNormalizer) {
  const SentencePieceModelOptions bpe = ReadSentencePieceModelOptions(ReadModel("spm_bpe"));
  EXPECT_TRUE(bpe.add_dummy_prefix);
  EXPECT_FALSE(bpe.remove_extra_whitespaces);
  const std::string unigram = ReadModel("spm_unigram");
  EXPECT_TRUE(ReadSentencePieceModelOptions(unigram).remove_extra_whitespaces);
  const std::string changed = unigram + std::string(kWithoutDummyPrefix);
  EXPECT_FALSE(ReadSentencePieceModelOptions(changed).add_dummy_prefix);
}

}  // namespace
}  // namespace tandem
