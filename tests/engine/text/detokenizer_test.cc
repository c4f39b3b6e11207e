#include "engine/text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/text/unicode.h"

namespace tandem {
namespace {

// Token i has bytes pieces[i]; the last one may be special, and a space in front may be dropped.
class ListTokenizer : public Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}

  std::vector<TokenId> Encode(std::string_view, SpecialTokens) const override { return {}; }
  std::string_view TokenBytes(TokenId id) const override {
    return pieces_[static_cast<size_t>(id)];
  }
  bool IsSpecial(TokenId id) const override { return TokenBytes(id) == "</s>"; }
  bool DropsLeadingSpace() const override { return drops_leading_space; }
  bool DropsEveryLeadingSpace() const override { return drops_every_leading_space; }
  int64_t vocab_size() const override { return static_cast<int64_t>(pieces_.size()); }
  std::optional<TokenId> bos_id() const override { return std::nullopt; }
  std::optional<TokenId> eos_id() const override { return std::nullopt; }
  std::optional<TokenId> FindToken(std::string_view) const override { return std::nullopt; }

  std::vector<TokenId> All() const {
    std::vector<TokenId> ids;
    for (size_t i = 0; i < pieces_.size(); ++i) ids.push_back(static_cast<TokenId>(i));
    return ids;
  }

  bool drops_leading_space = false;
  bool drops_every_leading_space = false;

 private:
  std::vector<std::string> pieces_;
};

std::string RandomText(std::mt19937_64& random) {
  const char32_t bases[] = {'a', ' ', 0x7F, 0xE9, 0x301, 0x4E2D, 0x200D, 0xFFFD, 0x1F642, 0x10FFFF};
  std::string text;
  for (size_t i = random() % 30; i > 0; --i) AppendUtf8(bases[random() % std::size(bases)], &text);
  return text;
}

std::string RandomBytes(std::mt19937_64& random) {
  std::string bytes;
  for (size_t i = random() % 30; i > 0; --i) {
    bytes += static_cast<char>(random() % 3 == 0 ? 'a' + random() % 26 : 0x80 + random() % 128);
  }
  return bytes;
}

std::vector<std::string> RandomSplit(const std::string& text, std::mt19937_64& random) {
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin < text.size();) {
    const size_t size = random() % 5;  // may be empty
    pieces.push_back(text.substr(begin, size));
    begin += pieces.back().size();
  }
  return pieces;
}

TEST(Detokenizer, GivesTheWholeTextHoweverItIsCut) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = i % 2 == 0 ? RandomText(random) : RandomBytes(random);
    const ListTokenizer tokenizer(RandomSplit(text, random));
    Detokenizer detokenizer(tokenizer);
    std::string streamed;
    for (const TokenId id : tokenizer.All()) {
      const std::string step = detokenizer.Push(id);
      ASSERT_TRUE(IsValidUtf8(step)) << step;
      streamed += step;
    }
    streamed += detokenizer.Finish();
    ASSERT_EQ(streamed, ReplaceInvalidUtf8(text));
    ASSERT_EQ(streamed, tokenizer.Decode(tokenizer.All()));
  }
}

TEST(Detokenizer, HoldsBackHalfACharacter) {
  const ListTokenizer tokenizer({"x\xF0\x9F", "\x99", "\x82y", "\xE4"});
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.Push(0), "x");
  EXPECT_EQ(detokenizer.Push(1), "");
  EXPECT_EQ(detokenizer.Push(2), "\xF0\x9F\x99\x82y");
  EXPECT_EQ(detokenizer.Push(3), "");
  EXPECT_EQ(detokenizer.Finish(), kReplacementCharacter);
  EXPECT_EQ(detokenizer.Finish(), "");
}

TEST(Detokenizer, LeavesSpecialTokensOutUnlessAsked) {
  const ListTokenizer tokenizer({"a", "</s>", "b"});
  EXPECT_EQ(tokenizer.Decode({0, 1, 2}), "ab");
  EXPECT_EQ(tokenizer.Decode({0, 1, 2}, false), "a</s>b");
}

TEST(Detokenizer, DropsTheDummyPrefixOnce) {
  ListTokenizer tokenizer({" a", " ", "</s>"});
  tokenizer.drops_leading_space = true;
  EXPECT_EQ(tokenizer.Decode({0, 0}), "a a");
  EXPECT_EQ(tokenizer.Decode({2, 0}), "a");
  EXPECT_EQ(tokenizer.Decode({1, 1, 0}), "  a");
}

TEST(Detokenizer, DropsEveryLeadingSpaceWhereTheModelDoes) {
  ListTokenizer tokenizer({" a", " ", "</s>"});
  tokenizer.drops_leading_space = tokenizer.drops_every_leading_space = true;
  EXPECT_EQ(tokenizer.Decode({1, 1, 2, 0, 1}), "a ");
}

TEST(Detokenizer, KeepsTheFirstSpaceAfterText) {
  ListTokenizer tokenizer({" a"});
  tokenizer.drops_leading_space = true;
  Detokenizer detokenizer(tokenizer);
  detokenizer.StartAfterText();
  EXPECT_EQ(detokenizer.Push(0), " a");
}

}  // namespace
}  // namespace tandem
