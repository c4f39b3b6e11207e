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

// The library's trie throws an exception of its own.
TEST(SentencePieceTokenizer, RefusesAnEmptyPiece) {
  const std::string user_defined("\x0a\x04\x0a\x00\x18\x04", 6);
  EXPECT_THROW(SentencePieceTokenizer(ReadModel("spm_bpe") + user_defined, {}), FormatError);
}

// A character map: a trie of the given units, and what it maps to.
std::string Charsmap(std::vector<uint32_t> units, std::string_view replacements) {
  units.insert(units.begin(), static_cast<uint32_t>(4 * units.size()));
  std::string map;
  for (const uint32_t unit : units) {
    for (int shift = 0; shift < 32; shift += 8) map += static_cast<char>(unit >> shift & 0xff);
  }
  return map + std::string(replacements);
}

// A normalizer_spec with this map, which wins over the one before it.
std::string WithCharsmap(const std::string& model, const std::string& map) {
  const auto varint = [](size_t value) {
    return std::string{static_cast<char>(value | 0x80), static_cast<char>(value >> 7)};
  };
  const std::string field = "\x12" + varint(map.size()) + map;
  return model + "\x1a" + varint(field.size()) + field;
}

// The library walks the map without looking where it goes.
TEST(SentencePieceTokenizer, RefusesACharacterMapThatLeavesItself) {
  constexpr uint32_t kHasLeaf = 1u << 8;
  constexpr uint32_t kIsLeaf = 1u << 31;
  std::vector<uint32_t> units(512, kIsLeaf);  // no character's label
  units[0] = 256u << 10;                      // children are at 256 ^ byte
  units[256 ^ 'a'] = 'a' | kHasLeaf | (static_cast<uint32_t>('a') << 10);  // its leaf is at 256
  units[256] = kIsLeaf | 2;                                                // replacement 2
  const std::string_view replacements("x\0y\0", 4);
  EXPECT_TRUE(IsSoundCharsmap(""));
  EXPECT_TRUE(IsSoundCharsmap(Charsmap(units, replacements)));
  const std::string model = ReadModel("spm_bpe");
  const SentencePieceTokenizer tokenizer(WithCharsmap(model, Charsmap(units, replacements)), {});
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode("b a", SpecialTokens::kNone)), "b y");

  std::vector<std::string> broken = {std::string("abc"), Charsmap(units, "").substr(0, 1000),
                                     Charsmap(units, ""), Charsmap({0, 0}, replacements)};
  std::vector<uint32_t> far = units;
  far[256 ^ 'a'] = 'a' | (4096u << 10);
  broken.push_back(Charsmap(far, replacements));
  std::vector<uint32_t> no_text = units;
  no_text[256] = kIsLeaf | 4;
  broken.push_back(Charsmap(no_text, replacements));
  broken.push_back(Charsmap(units, "x" + std::string(1000, 'y')));
  for (const std::string& map : broken) {
    EXPECT_FALSE(IsSoundCharsmap(map)) << map.size();
    EXPECT_THROW(SentencePieceTokenizer(WithCharsmap(model, map), {}), FormatError);
  }
}

TEST(SentencePieceModelOptions, ReadsFieldsOfTheirOwnTypeOnly) {
  const std::string model = ReadModel("spm_bpe");
  // Field 3 of normalizer_spec as a string, and field 2 as a number: unknown to the library.
  const std::string changed = model + std::string("\x1a\x05\x1a\x01x\x10\x00", 7);
  EXPECT_TRUE(ReadSentencePieceModelOptions(changed).add_dummy_prefix);
  // Its reader drops bits above the 32nd of a field's key.
  EXPECT_THROW(ReadSentencePieceModelOptions(model + std::string("\x9a\x80\x80\x80\x10\x00", 6)),
               FormatError);
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
