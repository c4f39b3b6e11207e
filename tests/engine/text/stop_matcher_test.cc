#include "engine/text/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace tandem {
namespace {

struct Outcome {
  std::string text;
  bool stopped = false;
  std::string matched;
  bool operator==(const Outcome&) const = default;
};

// What the header promises, on the whole text: the earliest match, then the longest at its place.
Outcome ByDefinition(const std::string& text, const std::vector<std::string>& stops,
                     bool include_stop) {
  for (size_t at = 0; at < text.size(); ++at) {
    std::string longest;
    for (const std::string& stop : stops) {
      if (text.compare(at, stop.size(), stop) == 0 && stop.size() > longest.size()) longest = stop;
    }
    if (!longest.empty())
      return {text.substr(0, at) + (include_stop ? longest : ""), true, longest};
  }
  return {text, false, ""};
}

Outcome Match(const std::vector<std::string>& chunks, const std::vector<std::string>& stops,
              bool include_stop) {
  StopMatcher matcher(stops, include_stop);
  Outcome outcome;
  for (const std::string& chunk : chunks) {
    const StopMatcher::Step step = matcher.Push(chunk);
    outcome.text += step.text;
    EXPECT_EQ(step.stopped ? matcher.matched() : "", step.matched);
    EXPECT_EQ(step.stopped, step.stopped && matcher.stopped());
  }
  outcome.text += matcher.Finish();
  outcome.stopped = matcher.stopped();
  outcome.matched = matcher.matched();
  return outcome;
}

TEST(StopMatcher, EndsTheTextBeforeTheStop) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.Push("some ST").text, "some ");
  const auto step = matcher.Push("OP more");
  EXPECT_EQ(step.text, "");
  EXPECT_TRUE(step.stopped);
  EXPECT_EQ(step.matched, "STOP");
  EXPECT_EQ(matcher.Push("again").text, "");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, IncludesTheStopWhenAsked) {
  StopMatcher matcher({"\n\n"}, true);
  EXPECT_EQ(matcher.Push("a\n").text, "a");
  EXPECT_EQ(matcher.Push("\nb").text, "\n\n");
}

TEST(StopMatcher, LetsGoOfWhatTurnsOutDifferent) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.Push("ST").text, "");
  EXPECT_EQ(matcher.Push("AY").text, "STAY");
  EXPECT_EQ(matcher.Push("STO").text, "");
  EXPECT_EQ(matcher.Finish(), "STO");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, HoldsOnlyWhatMayBegin) {
  StopMatcher matcher({"aab"});
  EXPECT_EQ(matcher.Push("aaa").text, "a");
  EXPECT_EQ(matcher.Push("b").matched, "aab");
}

TEST(StopMatcher, WaitsForTheLongerStopAtOnePlace) {
  StopMatcher matcher({"ab", "abc"});
  EXPECT_FALSE(matcher.Push("xab").stopped);
  const auto step = matcher.Push("c");
  EXPECT_TRUE(step.stopped);
  EXPECT_EQ(step.matched, "abc");
}

TEST(StopMatcher, CountsAWaitingMatchAtTheEnd) {
  StopMatcher matcher({"bc", "abcd"});
  EXPECT_EQ(matcher.Push("xabc").text, "x");
  EXPECT_EQ(matcher.Finish(), "a");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.matched(), "bc");
}

TEST(StopMatcher, IgnoresEmptyStops) {
  StopMatcher matcher({""});
  EXPECT_EQ(matcher.Push("text").text, "text");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, ComparesWholeCharacters) {
  StopMatcher matcher({"。", "🙂🙂"});
  EXPECT_EQ(matcher.Push("你好、🙂").text, "你好、");
  EXPECT_EQ(matcher.Push("🙃").text, "🙂🙃");
  EXPECT_EQ(matcher.Push("世界。再见").text, "世界");
  EXPECT_EQ(matcher.matched(), "。");
}

TEST(StopMatcher, DoesNotDependOnHowTheTextIsCut) {
  std::mt19937_64 random(4);
  const std::vector<std::string> alphabet = {"a", "b", "é", "中"};
  auto random_text = [&](size_t max) {
    std::string text;
    for (size_t n = random() % (max + 1); n > 0; --n) text += alphabet[random() % alphabet.size()];
    return text;
  };
  int num_stopped = 0;
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::string> stops(random() % 4);
    for (std::string& stop : stops) stop = random_text(5);
    const std::string text = random_text(16);
    const bool include_stop = random() % 2 == 0;
    std::vector<std::string> chunks;
    for (size_t begin = 0; begin < text.size();) {
      chunks.push_back(text.substr(begin, random() % 6));
      begin += chunks.back().size();
    }
    const Outcome expected = ByDefinition(text, stops, include_stop);
    ASSERT_EQ(Match({text}, stops, include_stop), expected) << text;
    ASSERT_EQ(Match(chunks, stops, include_stop), expected) << text;
    num_stopped += expected.stopped;
  }
  EXPECT_GT(num_stopped, 1000);
}

}  // namespace
}  // namespace tandem
