#include "engine/text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/text/added_tokens.h"
#include "engine/text/known_pattern.h"
#include "engine/text/normalizer.h"
#include "engine/text/regex.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Strings = std::vector<std::string>;

Strings SplitBy(PreTokenizer::Step step, std::string_view text, bool at_start = true) {
  std::vector<PreTokenizer::Step> steps;
  steps.push_back(std::move(step));
  const PreTokenizer pre_tokenizer(std::move(steps));
  Words words;
  pre_tokenizer.Split(text, at_start, &words);
  return Strings(words.views.begin(), words.views.end());
}

Strings SplitBy(std::string_view pattern, SplitBehavior behavior, std::string_view text) {
  return SplitBy(SplitStep{Regex(pattern), behavior}, text);
}

Strings FindAll(std::string_view pattern, std::string_view text) {
  std::vector<Regex::Match> matches;
  Regex(pattern).FindAll(text, &matches);
  Strings found;
  for (const auto& match : matches) {
    found.emplace_back(text.substr(match.begin, match.end - match.begin));
  }
  return found;
}

TEST(PreTokenizer, SplitsAsGpt2) {
  EXPECT_EQ(SplitBy(kGpt2Pattern, SplitBehavior::kIsolated, "They're  12 cats!\n\n x"),
            (Strings{"They", "'re", " ", " 12", " cats", "!", "\n\n", " x"}));
}

TEST(PreTokenizer, SplitsAsLlama3AndQwen) {
  EXPECT_EQ(SplitBy(kLlama3Pattern, SplitBehavior::kIsolated, "IT'S 12345\n\n x!!\n"),
            (Strings{"IT", "'S", " ", "123", "45", "\n\n", " x", "!!\n"}));
  EXPECT_EQ(SplitBy(kQwenPattern, SplitBehavior::kIsolated, "a123"), (Strings{"a", "1", "2", "3"}));
}

// The examples of the reference documentation: "the-final--countdown" split at "-".
TEST(PreTokenizer, KnowsEveryBehavior) {
  const std::string text = "the-final--countdown";
  EXPECT_EQ(SplitBy("-", SplitBehavior::kRemoved, text), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(SplitBy("-", SplitBehavior::kIsolated, text),
            (Strings{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(SplitBy("-", SplitBehavior::kMergedWithPrevious, text),
            (Strings{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(SplitBy("-", SplitBehavior::kMergedWithNext, text),
            (Strings{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(SplitBy("-", SplitBehavior::kContiguous, text),
            (Strings{"the", "-", "final", "--", "countdown"}));
}

TEST(PreTokenizer, InvertsTheMatch) {
  EXPECT_EQ(SplitBy(SplitStep{Regex("[a-z]+"), SplitBehavior::kRemoved, true}, "ab 12 cd"),
            (Strings{"ab", "cd"}));
}

TEST(PreTokenizer, WritesSpacesAsMarks) {
  using Prepend = MetaspaceStep::Prepend;
  EXPECT_EQ(SplitBy(MetaspaceStep{"▁", Prepend::kAlways, true}, "a  b c", false),
            (Strings{"▁a", "▁", "▁b", "▁c"}));
  EXPECT_EQ(SplitBy(MetaspaceStep{"▁", Prepend::kFirst, false}, "a b", true), Strings{"▁a▁b"});
  EXPECT_EQ(SplitBy(MetaspaceStep{"▁", Prepend::kFirst, false}, "a b", false), Strings{"a▁b"});
  EXPECT_EQ(SplitBy(MetaspaceStep{"▁", Prepend::kAlways, false}, " a", true), Strings{"▁a"});
}

TEST(Regex, ReadsClassesAsTheReferenceDoes) {
  EXPECT_EQ(FindAll(R"(\s)", "a\u00a0\u2028\u0085\u180e\v"),
            (Strings{"\u00a0", "\u2028", "\u0085", "\v"}));
  EXPECT_EQ(FindAll(R"([^\s])", "a\u00a0b"), (Strings{"a", "b"}));
  EXPECT_EQ(FindAll(R"(\S+)", "ab cd"), (Strings{"ab", "cd"}));
  EXPECT_EQ(FindAll(R"(\w+)", "e\u0301_1 \u00bd"), (Strings{"e\u0301_1", "\u00bd"}));
  EXPECT_EQ(FindAll(R"(\d+)", "\u0661\u0662 12"), (Strings{"\u0661\u0662", "12"}));
  EXPECT_EQ(FindAll(R"(\u4e2d)", "中"), Strings{"中"});
}

TEST(Regex, FindsEmptyMatchesOnce) { EXPECT_EQ(FindAll("x*", "axxé"), (Strings{"", "xx", ""})); }

TEST(Regex, TakesLiteralsLiterally) {
  for (const char* text : {"a.b", "[x]", "\\", "a b", "▁", "\n", "(?"}) {
    std::vector<Regex::Match> matches;
    const std::string subject = std::string("...") + text + "...";
    Regex::Literal(text).FindAll(subject, &matches);
    ASSERT_EQ(matches.size(), 1u) << text;
    EXPECT_EQ(matches[0].begin, 3u);
  }
}

TEST(Regex, RefusesWhatItWouldMisread) {
  for (const char* pattern : {"[a&&b]", "[a[bc]]", R"(\h)", "(?m)a", "(?s:a)", R"([\S])", "(", "[",
                              "a\\", R"(\p{NoSuchThing})"}) {
    EXPECT_THROW(Regex{pattern}, FormatError) << pattern;
  }
}

TEST(Regex, GetsThroughLongRuns) {
  const size_t size = 300000;
  for (const std::string_view pattern : {kGpt2Pattern, kLlama3Pattern, kQwenPattern}) {
    for (const char* unit : {" ", "\n", "a", "中", "!", "\u3000"}) {
      std::string text;
      while (text.size() < size) text += unit;
      std::vector<Regex::Match> matches;
      // In a group the engine matches it: known_pattern.h knows the pattern alone.
      Regex("(?:" + std::string(pattern) + ")").FindAll(text + "x", &matches);
      ASSERT_FALSE(matches.empty());
      EXPECT_EQ(matches.back().end, text.size() + 1);
    }
  }
}

TEST(Normalizer, AppliesItsStepsInOrder) {
  std::vector<Normalizer::Step> steps;
  steps.emplace_back(PrependStep{"▁"});
  steps.emplace_back(ReplaceStep{Regex::Literal(" "), "▁"});
  steps.emplace_back(NormalForm::kNfc);
  const Normalizer normalizer(std::move(steps));
  EXPECT_EQ(normalizer.Apply("a cafe\u0301"), "▁a▁caf\u00e9");
  EXPECT_EQ(normalizer.Apply(""), "");
}

std::string Describe(const std::vector<AddedTokenMatcher::Part>& parts) {
  std::string text;
  for (const auto& part : parts) {
    text += (part.id ? std::to_string(*part.id) : "") + "[" + std::string(part.text) + "]";
  }
  return text;
}

TEST(AddedTokenMatcher, TakesTheLongestAtTheLeftmostPlace) {
  const AddedTokenMatcher matcher(
      {{.id = 1, .content = "<a>"}, {.id = 2, .content = "<a><b>"}, {.id = 3, .content = "<b>"}});
  EXPECT_EQ(Describe(matcher.Split("x<a><b><b><a><")), "[x]2[<a><b>]3[<b>]1[<a>][<]");
  EXPECT_EQ(Describe(matcher.Split("")), "");
}

TEST(AddedTokenMatcher, HonoursItsFlags) {
  const AddedTokenMatcher matcher({{.id = 1, .content = "<m>", .lstrip = true, .rstrip = true},
                                   {.id = 2, .content = "word", .single_word = true}});
  EXPECT_EQ(Describe(matcher.Split("a \u3000<m>\n b")), "[a]1[ \u3000<m>\n ][b]");
  EXPECT_EQ(Describe(matcher.Split("<m> <m>")), "1[<m> ]1[<m>]");
  EXPECT_EQ(Describe(matcher.Split("word sword word_ éword (word)")),
            "2[word][ sword word_ éword (]2[word][)]");
}

}  // namespace
}  // namespace tandem
