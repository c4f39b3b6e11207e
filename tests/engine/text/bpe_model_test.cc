#include "engine/text/bpe_model.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/text/byte_alphabet.h"
#include "engine/text/word_cache.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Ids = std::vector<TokenId>;

BpeVocabulary Letters(std::initializer_list<std::pair<const char*, const char*>> merges) {
  BpeVocabulary vocabulary;
  for (const char* letter : {"a", "b", "c", "d"}) {
    vocabulary.tokens.emplace_back(letter, static_cast<TokenId>(vocabulary.tokens.size()));
  }
  for (const auto& [left, right] : merges) {
    vocabulary.merges.emplace_back(left, right);
    vocabulary.tokens.emplace_back(std::string(left) + right,
                                   static_cast<TokenId>(vocabulary.tokens.size()));
  }
  return vocabulary;
}

Ids Encode(const BpeModel& model, std::string_view word) {
  BpeModel::Scratch scratch;
  Ids ids;
  model.Encode(word, &scratch, &ids);
  return ids;
}

// The definition: the lowest rank, leftmost first, one merge at a time.
Ids ByDefinition(const BpeVocabulary& vocabulary, const std::string& word) {
  std::map<std::string, TokenId> ids(vocabulary.tokens.begin(), vocabulary.tokens.end());
  std::vector<std::string> symbols;
  for (const char c : word) symbols.emplace_back(1, c);
  for (bool merged = true; merged;) {
    merged = false;
    for (const auto& [left, right] : vocabulary.merges) {
      for (size_t i = 0; i + 1 < symbols.size() && !merged; ++i) {
        if (symbols[i] != left || symbols[i + 1] != right) continue;
        symbols[i] += right;
        symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(i) + 1);
        merged = true;
      }
      if (merged) break;
    }
  }
  Ids result;
  for (const std::string& symbol : symbols) result.push_back(ids.at(symbol));
  return result;
}

TEST(BpeModel, MergesTheLowestRankLeftmostFirst) {
  const BpeModel model(Letters({{"b", "c"}, {"a", "b"}, {"a", "a"}}));
  EXPECT_EQ(Encode(model, "abc"), (Ids{0, 4}));
  EXPECT_EQ(Encode(model, "ab"), (Ids{5}));
  EXPECT_EQ(Encode(model, "aaa"), (Ids{6, 0}));
  EXPECT_EQ(Encode(model, ""), Ids{});
}

TEST(BpeModel, AgreesWithTheDefinitionOnRandomMerges) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 60; ++round) {
    BpeVocabulary vocabulary = Letters({});
    while (vocabulary.merges.size() < 25) {
      const std::string left = vocabulary.tokens[random() % vocabulary.tokens.size()].first;
      const std::string right = vocabulary.tokens[random() % vocabulary.tokens.size()].first;
      const std::string merged = left + right;
      bool is_known = merged.size() > 8;
      for (const auto& token : vocabulary.tokens) is_known |= token.first == merged;
      if (is_known) continue;
      vocabulary.merges.emplace_back(left, right);
      vocabulary.tokens.emplace_back(merged, static_cast<TokenId>(vocabulary.tokens.size()));
    }
    const BpeModel model(vocabulary);
    for (int i = 0; i < 60; ++i) {
      std::string word;
      for (size_t n = random() % 40; n > 0; --n) word += static_cast<char>('a' + random() % 4);
      ASSERT_EQ(Encode(model, word), ByDefinition(vocabulary, word)) << word;
    }
  }
}

// Quadratic work would run into ctest's limit.
TEST(BpeModel, EncodesALongWordInTime) {
  const BpeModel model(Letters({{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}}));
  EXPECT_EQ(Encode(model, std::string(2'000'000, 'a')).size(), 250'000u);
}

TEST(BpeModel, TakesAWholeWordFirstWhenMergesAreIgnored) {
  BpeVocabulary vocabulary = Letters({{"a", "b"}});
  vocabulary.tokens.emplace_back("abcd", 9);
  EXPECT_EQ(Encode(BpeModel(vocabulary), "abcd"), (Ids{4, 2, 3}));
  vocabulary.ignore_merges = true;
  EXPECT_EQ(Encode(BpeModel(vocabulary), "abcd"), Ids{9});
}

TEST(BpeModel, ReplacesUnknownCharacters) {
  BpeVocabulary vocabulary = Letters({{"a", "b"}});
  vocabulary.byte_level = false;
  EXPECT_EQ(Encode(BpeModel(vocabulary), "ab中éa"), (Ids{4, 0}));
  vocabulary.unknown_token.emplace("d");
  EXPECT_EQ(Encode(BpeModel(vocabulary), "ab中éa"), (Ids{4, 3, 3, 0}));
  vocabulary.fuse_unknown = true;
  EXPECT_EQ(Encode(BpeModel(vocabulary), "ab中éa"), (Ids{4, 3, 0}));
  vocabulary.byte_fallback = true;
  vocabulary.tokens.insert(vocabulary.tokens.end(), {{"<0xC3>", 20}, {"<0xA9>", 21}});
  EXPECT_EQ(Encode(BpeModel(vocabulary), "ab中éa"), (Ids{4, 3, 20, 21, 0}));
}

TEST(BpeModel, RefusesIdsThatMakeNoSense) {
  for (const TokenId id : {-1, 0, 1 << 22, 0x7FFFFFFF}) {
    BpeVocabulary vocabulary = Letters({});
    vocabulary.tokens.emplace_back("z", id);
    EXPECT_THROW(BpeModel{vocabulary}, FormatError) << id;
  }
}

TEST(BpeModel, RefusesMergesOfUnknownTokens) {
  for (const auto& merge : {std::pair("a", "z"), std::pair("z", "a"), std::pair("a", "c")}) {
    BpeVocabulary vocabulary = Letters({{"a", "b"}});
    vocabulary.merges.emplace_back(merge.first, merge.second);
    EXPECT_THROW(BpeModel{vocabulary}, FormatError) << merge.first << merge.second;
  }
}

TEST(ByteAlphabet, WritesAndReadsEveryByte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const std::string text = ToByteCharacters(bytes);
  EXPECT_EQ(FromByteCharacters(text), bytes);
  EXPECT_EQ(ByteCharacter(' '), "\u0120");
  EXPECT_EQ(ByteCharacter('\n'), "\u010a");
  EXPECT_EQ(ByteCharacter(0xAD), "\u0143");
  EXPECT_EQ(FromByteCharacters("a b"), std::nullopt);
  EXPECT_EQ(FromByteCharacters("\u4e2d"), std::nullopt);
}

TEST(WordCache, GivesBackWhatWasStored) {
  WordCache cache;
  Ids ids = {7};
  EXPECT_FALSE(cache.Lookup("word", &ids));
  cache.Store("word", Ids{1, 2, 3});
  EXPECT_TRUE(cache.Lookup("word", &ids));
  EXPECT_EQ(ids, (Ids{7, 1, 2, 3}));
  EXPECT_FALSE(cache.Lookup("wor", &ids));
}

TEST(WordCache, DoesNotKeepLongWords) {
  WordCache cache;
  Ids ids;
  cache.Store(std::string(100, 'a'), Ids{1});
  EXPECT_FALSE(cache.Lookup(std::string(100, 'a'), &ids));
  cache.Store("many", Ids(100, 1));
  EXPECT_FALSE(cache.Lookup("many", &ids));
}

}  // namespace
}  // namespace tandem
