#include "trainer/evaluation/choice_evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/base/mapped_file.h"
#include "tests/support/expect_throws.h"
#include "tests/trainer/evaluation/golden_evaluation.h"

namespace tandem {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.role + ', ' + m.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant, ' }}{% endif %}";

ChoiceFile GoldenQuestions() {
  const MappedFile file(GoldenEvaluationFile("questions.jsonl"));
  return ReadChoiceQuestions(
      {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
}

class ChoiceEvaluation : public testing::Test {
 protected:
  explicit ChoiceEvaluation(const std::string& name = "llama")
      : model_(name),
        tokenizer_(LoadTokenizer(model_.path())),
        renderer_(ChatTemplate(kTemplate, "test")),
        scorer_(model_.path(), {.dtype = DType::kF32, .threads = 2}),
        inputs_{.tokenizer = *tokenizer_, .renderer = &renderer_, .scorer = scorer_} {}

  GoldenEvaluationModel model_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  ConversationRenderer renderer_;
  SequenceScorer scorer_;
  EvaluationInputs inputs_;
};

TEST_F(ChoiceEvaluation, LogprobsAreThoseOfPyTorch) {
  const auto scored = ScoreChoices(inputs_, GoldenQuestions().questions, ChoiceForm::kText);
  const auto expected = GoldenEvaluation("llama").at("choices");
  ASSERT_EQ(scored.size(), expected.size());
  for (size_t q = 0; q < scored.size(); ++q) {
    ASSERT_EQ(scored[q].size(), expected[q].size());
    for (size_t c = 0; c < scored[q].size(); ++c) {
      const double logprob = expected[q][c].at("logprob");
      EXPECT_NEAR(scored[q][c].logprob, logprob, -1e-5 * logprob);
      EXPECT_EQ(scored[q][c].num_bytes, expected[q][c].at("bytes"));
    }
  }
}

TEST_F(ChoiceEvaluation, CountsWhatIsRightInBothWays) {
  const ChoiceFile file = GoldenQuestions();
  const auto expected = GoldenEvaluation("llama").at("choices");
  int64_t by_sum = 0, by_length = 0;
  for (size_t q = 0; q < file.questions.size(); ++q) {
    size_t best_sum = 0, best_length = 0;
    const auto value = [&](size_t c) { return expected[q][c].at("logprob").get<double>(); };
    const auto share = [&](size_t c) {
      return value(c) / expected[q][c].at("bytes").get<double>();
    };
    for (size_t c = 1; c < expected[q].size(); ++c) {
      if (value(c) > value(best_sum)) best_sum = c;
      if (share(c) > share(best_length)) best_length = c;
    }
    by_sum += best_sum == file.questions[q].answer ? 1 : 0;
    by_length += best_length == file.questions[q].answer ? 1 : 0;
  }
  const ChoiceScore score = EvaluateChoices(inputs_, GoldenEvaluationFile("questions.jsonl"), {});
  EXPECT_EQ(score.num_questions, 2);
  EXPECT_EQ(score.num_right_by_sum, by_sum);
  EXPECT_EQ(score.num_right_by_length, by_length);
  EXPECT_DOUBLE_EQ(score.chance, (1.0 / 3 + 1.0 / 2) / 2);
}

TEST_F(ChoiceEvaluation, AsAChatScoresTheAssistantsTurn) {
  const ChoiceQuestion question{.question = "Who sails", .choices = {"a boat", "he"}, .line = 1};
  const auto scored = ScoreChoices(inputs_, std::span(&question, 1), ChoiceForm::kChat);
  std::vector<TokenId> ids =
      tokenizer_->Encode("user, Who sails\nassistant, ", SpecialTokens::kNone);
  const size_t first = ids.size();
  for (const TokenId id : tokenizer_->Encode("a boat\n", SpecialTokens::kNone)) ids.push_back(id);
  const std::vector<float> logprobs = scorer_.Score(std::span(&ids, 1)).front();
  double sum = 0;
  for (size_t i = first; i < ids.size(); ++i) sum += static_cast<double>(logprobs[i - 1]);
  EXPECT_NEAR(scored[0][0].logprob, sum, -1e-12 * sum);
}

TEST_F(ChoiceEvaluation, RefusesWhatItCannotAsk) {
  const auto bad = model_.directory().Write("bad.txt", "#Q One\n^ c\nA a\nB b\n");
  const std::string refused = MessageOf<FormatError>([&] { EvaluateChoices(inputs_, bad, {}); });
  EXPECT_TRUE(Contains(refused, "bad.txt:1: the answer is none of the choices"));
  const auto skip = [&] { EvaluateChoices(inputs_, bad, {.on_bad_line = OnBadLine::kSkip}); };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(skip), "has no question"));
  const ChoiceQuestion question{
      .question = std::string(300, 'x'), .choices = {"a", "b"}, .line = 7};
  const auto score = [&] { ScoreChoices(inputs_, std::span(&question, 1), ChoiceForm::kText); };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(score), "line 7"));
}

}  // namespace
}  // namespace tandem
