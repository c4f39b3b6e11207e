#pragma once
// Which answer of a multiple-choice question a model finds likeliest. One thread, which owns the
// scorer for the call.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "trainer/evaluation/choice_questions.h"
#include "trainer/evaluation/text_evaluation.h"

namespace tandem {

enum class ChoiceForm : uint8_t {
  // The start token and "Question: ...\nAnswer: <choice>". Scored is what the choice adds to the
  // tokens of the text before it, so a token that reaches over its begin counts.
  kText,
  kChat,  // the question a user's turn, the choice the assistant's; scored as conversations are
};

struct ChoiceOptions {
  ChoiceForm form = ChoiceForm::kText;
  OnBadLine on_bad_line = OnBadLine::kStop;
};

struct ScoredChoice {
  double logprob = 0.0;   // of all scored tokens
  int64_t num_bytes = 0;  // of the choice
};

// For each question its choices. Throws FormatError, naming the line, for one that exceeds the
// model's context, ConfigError where the form needs a chat template that is not there.
std::vector<std::vector<ScoredChoice>> ScoreChoices(const EvaluationInputs& inputs,
                                                    std::span<const ChoiceQuestion> questions,
                                                    ChoiceForm form);

struct ChoiceScore {
  std::string name;  // of the file
  int64_t num_questions = 0;
  int64_t num_bad = 0;
  // The right choice has the largest sum, or the largest sum for each of its bytes in UTF-8; of
  // equal ones the first counts.
  int64_t num_right_by_sum = 0;
  int64_t num_right_by_length = 0;
  double chance = 0.0;  // the share that guessing gets right
};

ChoiceScore EvaluateChoices(const EvaluationInputs& inputs, const std::filesystem::path& path,
                            const ChoiceOptions& options);

}  // namespace tandem
