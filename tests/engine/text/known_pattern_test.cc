#include "engine/text/known_pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace tandem {
namespace {

using Strings = std::vector<std::string>;

Strings MatchesOf(const Regex& regex, const std::string& text) {
  std::vector<Regex::Match> matches;
  regex.FindAll(text, &matches);
  Strings found;
  for (const auto& match : matches)
    found.push_back(text.substr(match.begin, match.end - match.begin));
  return found;
}

// The same pattern under a name that nobody knows: PCRE2 matches it.
Regex ByEngine(std::string_view pattern) { return Regex("(?:" + std::string(pattern) + ")"); }

// Characters of every class, from Unicode versions that every library has.
std::string RandomText(std::mt19937_64& random) {
  static const Strings kCommon = {
      "a",      "S",      "t",      "l",      "L",          "e",      "r",
      "v",      "'",      "'",      " ",      " ",          "\n",     "\r",
      "\t",     "1",      "2",      "!",      ".",          "_",      "\u017F",
      "\u3000", "\u4E2D", "\u0663", "\u00BD", "\u0301",     "\u2028", "\x85\u00A0",
      "\u200B", "\u00B2", "\u2167", "\u00AA", "\U0001F600", "\u212A", "\u180E"};
  std::string text;
  for (size_t n = random() % 40; n > 0; --n) {
    if (random() % 8 != 0) {
      text += kCommon[random() % kCommon.size()];
    } else {
      AppendUtf8(static_cast<char32_t>(0x21 + random() % 0x560), &text);
    }
  }
  return ReplaceInvalidUtf8(text);
}

class KnownPatternMatch : public testing::TestWithParam<std::string_view> {};

TEST_P(KnownPatternMatch, IsThatOfTheRegularExpression) {
  const Regex known(GetParam());
  const Regex engine = ByEngine(GetParam());
  std::mt19937_64 random(9);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = RandomText(random);
    ASSERT_EQ(MatchesOf(known, text), MatchesOf(engine, text)) << text;
  }
}

// Long runs, where the engine has limits on memory and on steps. Each character is looked at a
// bounded number of times, so this ends at once.
TEST_P(KnownPatternMatch, GetsThroughRunsOfAnyLength) {
  const Regex known(GetParam());
  for (const char* unit : {" ", "\n", " \n", "a", "\u4E2D", "!", "\u3000", "'", "1"}) {
    std::string text;
    while (text.size() < (1u << 22)) text += unit;
    std::vector<Regex::Match> matches;
    known.FindAll(text + "x", &matches);
    ASSERT_FALSE(matches.empty());
    EXPECT_EQ(matches.back().end, text.size() + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KnownPatternMatch,
                         testing::Values(kGpt2Pattern, kLlama3Pattern, kQwenPattern),
                         [](const auto& suite) {
                           return suite.param == kGpt2Pattern     ? "Gpt2"
                                  : suite.param == kLlama3Pattern ? "Llama3"
                                                                  : "Qwen";
                         });

TEST(KnownPattern, IsFoundByItsExactText) {
  EXPECT_EQ(FindKnownPattern(kQwenPattern), KnownPattern::kQwen);
  EXPECT_EQ(FindKnownPattern(std::string(kQwenPattern) + " "), std::nullopt);
}

// Whatever the libraries of this system know: letters of Unicode 15.1 and 16 are letters.
TEST(KnownPattern, HasItsOwnUnicodeVersion) {
  EXPECT_EQ(EndOfMatch(KnownPattern::kGpt2, "\U0002EBF0\U000134CA1", 0), 8u);
}

}  // namespace
}  // namespace tandem
