#include "api/routes/completion_choice.h"

#include <gtest/gtest.h>

#include "tests/api/support/byte_tokenizer.h"

namespace tandem {
namespace {

class CompletionChoiceTest : public ::testing::Test {
 protected:
  CompletionChoice Make(const std::string& prompt = "ab") const {
    return CompletionChoice(tokenizer_, ask_, tokenizer_.Encode(prompt, SpecialTokens::kNone),
                            prompt);
  }
  static TokenEvent Token(char c, float logprob = -1.0f) {
    TokenEvent event;
    event.token = ScoredToken{{static_cast<unsigned char>(c), logprob}, {}};
    return event;
  }
  static TokenEvent End(FinishReason reason = FinishReason::kStop) {
    TokenEvent event;
    event.finish = reason;
    if (reason == FinishReason::kStop) event.stop_token = ByteTokenizer::kEos;
    return event;
  }
  // The text of each token's delta, and of the end's.
  static std::vector<std::string> Deltas(CompletionChoice& choice, const std::string& text) {
    std::vector<std::string> deltas;
    for (const char c : text) deltas.push_back(choice.Advance({Token(c)}).text);
    deltas.push_back(choice.Advance({End()}).text);
    return deltas;
  }

  ByteTokenizer tokenizer_;
  GenerationRequest ask_;
};

TEST_F(CompletionChoiceTest, EmitsWholeCharactersOnly) {
  CompletionChoice choice = Make();
  const auto deltas = Deltas(choice, "a\xe4\xb8\xad\xf0\x9f\x98\x80");
  EXPECT_EQ(deltas, (std::vector<std::string>{"a", "", "", "\xe4\xb8\xad", "", "", "",
                                              "\xf0\x9f\x98\x80", ""}));
}

TEST_F(CompletionChoiceTest, ReplacesACharacterThatNeverEnds) {
  CompletionChoice choice = Make();
  EXPECT_EQ(Deltas(choice, "\xe4\xb8").back(), "\xef\xbf\xbd");
}

TEST_F(CompletionChoiceTest, HoldsBackWhatMayBecomeAStopString) {
  ask_.stop = {"END"};
  CompletionChoice choice = Make();
  EXPECT_EQ(Deltas(choice, "xENyENDz"),
            (std::vector<std::string>{"x", "", "", "ENy", "", "", "", "", ""}));
  EXPECT_TRUE(choice.stopped_by_string());
  EXPECT_EQ(choice.reason(), FinishReason::kStop);
  EXPECT_EQ(choice.num_generated(), 7);
}

TEST_F(CompletionChoiceTest, EmitsWhatWasHeldBackAtTheEnd) {
  ask_.stop = {"END"};
  CompletionChoice choice = Make();
  EXPECT_EQ(Deltas(choice, "xEN").back(), "EN");
  EXPECT_FALSE(choice.stopped_by_string());
}

TEST_F(CompletionChoiceTest, StopsAtTheEndForAMatchThatWaited) {
  ask_.stop = {"a", "ab"};
  CompletionChoice choice = Make();
  EXPECT_EQ(choice.Advance({Token('x'), Token('a')}).text, "x");
  EXPECT_EQ(choice.Advance({End(FinishReason::kLength)}).text, "");
  EXPECT_EQ(choice.reason(), FinishReason::kStop);
}

TEST_F(CompletionChoiceTest, IncludesTheStopStringWhenAsked) {
  ask_.stop = {"END"};
  ask_.include_stop = true;
  CompletionChoice choice = Make();
  std::string text;
  for (const std::string& delta : Deltas(choice, "xENDz")) text += delta;
  EXPECT_EQ(text, "xEND");
}

TEST_F(CompletionChoiceTest, CountsTheTokenThatEndedIt) {
  CompletionChoice choice = Make();
  Deltas(choice, "abc");
  EXPECT_EQ(choice.num_generated(), 4);
}

TEST_F(CompletionChoiceTest, EchoesThePromptWithTheFirstText) {
  ask_.echo = true;
  CompletionChoice choice = Make("ab");
  EXPECT_EQ(choice.Advance({Token('c')}).text, "abc");
  EXPECT_EQ(choice.Advance({Token('d')}).text, "d");
}

TEST_F(CompletionChoiceTest, GivesLogprobsOfAnEchoedPromptWithNullFirst) {
  ask_.echo = true;
  ask_.sampling.logprobs = ask_.sampling.prompt_logprobs = 1;
  CompletionChoice choice = Make("a\xc3\xa9");
  TokenEvent event;
  event.prompt = {ScoredToken{{0xc3, -2.0f}, {{'z', -0.1f}}}, ScoredToken{{0xa9, -3.0f}, {}}};
  EXPECT_TRUE(choice.Advance({event}).logprobs.empty());
  const auto entries = choice.Advance({Token('c')}).logprobs;
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_FALSE(entries[0].logprob);
  EXPECT_EQ(entries[1].logprob, -2.0f);
  EXPECT_EQ(entries[1].id, 0xc3);
  ASSERT_EQ(entries[1].top.size(), 1u);
  EXPECT_EQ(entries[1].top[0].id, 'z');
  EXPECT_EQ(entries[2].text_offset, 1);
  EXPECT_EQ(entries[3].text_offset, 2) << "characters, not bytes";
  EXPECT_EQ(entries[3].id, 'c');
}

TEST_F(CompletionChoiceTest, KeepsPromptLogprobsApartFromTheEcho) {
  ask_.echo = true;
  ask_.sampling.logprobs = 1;
  ask_.prompt_logprobs = ask_.sampling.prompt_logprobs = 2;
  CompletionChoice choice = Make("ab");
  TokenEvent event;
  event.prompt = {ScoredToken{{'b', -2.0f}, {{'y', -0.1f}, {'z', -0.2f}}}};
  choice.Advance({event});
  const auto entries = choice.Advance({Token('c')}).logprobs;
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[1].top.size(), 1u);
  ASSERT_EQ(choice.prompt_logprobs().size(), 1u);
  EXPECT_EQ(choice.prompt_logprobs()[0].top.size(), 2u);
}

TEST_F(CompletionChoiceTest, KeepsLogprobsWithTheirText) {
  ask_.stop = {"END"};
  ask_.sampling.logprobs = 0;
  CompletionChoice choice = Make();
  EXPECT_EQ(choice.Advance({Token('x')}).logprobs.size(), 1u);
  EXPECT_EQ(choice.Advance({Token('E')}).logprobs.size(), 0u) << "held back";
  EXPECT_EQ(choice.Advance({Token('y')}).logprobs.size(), 2u);
  EXPECT_EQ(choice.Advance({Token('E'), Token('N')}).logprobs.size(), 0u);
  EXPECT_EQ(choice.Advance({Token('D')}).logprobs.size(), 0u) << "cut off";
}

TEST_F(CompletionChoiceTest, ReportsAFailureWithItsMessage) {
  CompletionChoice choice = Make();
  TokenEvent event = End(FinishReason::kFailed);
  event.message = "logits were not finite";
  choice.Advance({Token('a'), event, Token('b')});
  EXPECT_EQ(choice.reason(), FinishReason::kFailed);
  EXPECT_EQ(choice.message(), "logits were not finite");
  EXPECT_EQ(choice.num_generated(), 1);
}

}  // namespace
}  // namespace tandem
