#include "trainer/evaluation/choice_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/base/json.h"
#include "engine/base/mapped_file.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr size_t kQuestionsAtOnce = 64;

// A question with one of its choices, as ids and which of them are scored.
class ChoiceMaker {
 public:
  ChoiceMaker(const EvaluationInputs& inputs, ChoiceForm form) : inputs_(inputs) {
    if (form == ChoiceForm::kChat) {
      maker_.emplace(inputs.tokenizer, inputs.renderer, DataFormat::kConversations,
                     SampleOptions{.max_tokens = inputs.scorer.max_context()});
    } else {
      start_ = StartToken(inputs.tokenizer);
    }
  }

  TrainSample Make(const ChoiceQuestion& question, const std::string& choice) const {
    return maker_ ? MakeChat(question, choice) : MakeText(question, choice);
  }

 private:
  std::vector<TokenId> Encode(const std::string& text) const {
    std::vector<TokenId> ids = inputs_.tokenizer.Encode(text, SpecialTokens::kNone);
    ids.insert(ids.begin(), start_);
    return ids;
  }

  TrainSample MakeText(const ChoiceQuestion& question, const std::string& choice) const {
    const std::string prompt = "Question: " + question.question + "\nAnswer:";
    const std::vector<TokenId> before = Encode(prompt);
    TrainSample sample{.ids = Encode(prompt + ' ' + choice), .is_target = {}};
    const auto shared = std::ranges::mismatch(before, sample.ids).in2 - sample.ids.begin();
    if (std::ssize(sample.ids) > inputs_.scorer.max_context()) {
      Refuse(question, fmt::format("has {} tokens; the model's context is {}", sample.ids.size(),
                                   inputs_.scorer.max_context()));
    }
    sample.is_target.assign(sample.ids.size(), 1);
    std::fill_n(sample.is_target.begin(), shared, uint8_t{0});
    return sample;
  }

  TrainSample MakeChat(const ChoiceQuestion& question, const std::string& choice) const {
    const Json turns = {{{"role", "user"}, {"content", question.question}},
                        {{"role", "assistant"}, {"content", choice}}};
    const std::string line = Json{{"conversations", turns}}.dump();
    auto made = maker_->Make({.text = line, .line = question.line});
    if (const auto* bad = std::get_if<BadRecord>(&made)) Refuse(question, bad->reason);
    return std::move(std::get<MadeSamples>(made).samples.front());
  }

  [[noreturn]] static void Refuse(const ChoiceQuestion& question, const std::string& reason) {
    throw FormatError(
        fmt::format("the question of line {}: {}; remove it from the file", question.line, reason));
  }

  const EvaluationInputs& inputs_;
  TokenId start_ = 0;                 // ChoiceForm::kText only
  std::optional<SampleMaker> maker_;  // ChoiceForm::kChat only
};

// The first of the largest.
template <typename Value>
size_t BestOf(const std::vector<ScoredChoice>& choices, Value value) {
  return static_cast<size_t>(std::ranges::max_element(choices, {}, value) - choices.begin());
}

void CheckFile(const ChoiceFile& file, const std::filesystem::path& path, OnBadLine on_bad_line) {
  if (!file.bad_lines.empty() && on_bad_line == OnBadLine::kStop) {
    throw FormatError(fmt::format(
        "{}:{}: {}; it has {} such questions: correct them, or --on-bad-line skip leaves them out",
        Printable(path.string()), file.bad_lines.front().line, file.bad_lines.front().reason,
        file.bad_lines.size()));
  }
  if (file.questions.empty()) throw FormatError(Quoted(path.string()) + " has no question");
}

}  // namespace

std::vector<std::vector<ScoredChoice>> ScoreChoices(const EvaluationInputs& inputs,
                                                    std::span<const ChoiceQuestion> questions,
                                                    ChoiceForm form) {
  const ChoiceMaker maker(inputs, form);
  std::vector<std::vector<TokenId>> sequences;
  std::vector<std::vector<uint8_t>> is_target;
  for (const ChoiceQuestion& question : questions) {
    for (const std::string& choice : question.choices) {
      TrainSample sample = maker.Make(question, choice);
      sequences.push_back(std::move(sample.ids));
      is_target.push_back(std::move(sample.is_target));
    }
  }
  const std::vector<std::vector<float>> logprobs = inputs.scorer.Score(sequences);
  std::vector<std::vector<ScoredChoice>> scored;
  size_t s = 0;
  for (const ChoiceQuestion& question : questions) {
    std::vector<ScoredChoice>& choices = scored.emplace_back();
    for (const std::string& choice : question.choices) {
      ScoredChoice& one = choices.emplace_back(ScoredChoice{.num_bytes = std::ssize(choice)});
      for (size_t i = 1; i < sequences[s].size(); ++i) {
        if (is_target[s][i] != 0) one.logprob += static_cast<double>(logprobs[s][i - 1]);
      }
      ++s;
    }
  }
  return scored;
}

ChoiceScore EvaluateChoices(const EvaluationInputs& inputs, const std::filesystem::path& path,
                            const ChoiceOptions& options) {
  const MappedFile mapped(path);
  const ChoiceFile file = ReadChoiceQuestions(WithoutByteOrderMark(
      {reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()}));
  CheckFile(file, path, options.on_bad_line);
  ChoiceScore score{.name = path.string(),
                    .num_questions = std::ssize(file.questions),
                    .num_bad = std::ssize(file.bad_lines)};
  const auto sum = [](const ScoredChoice& choice) { return choice.logprob; };
  const auto by_length = [](const ScoredChoice& choice) {
    return choice.logprob / static_cast<double>(choice.num_bytes);
  };
  for (size_t begin = 0; begin < file.questions.size(); begin += kQuestionsAtOnce) {
    const auto part =
        std::span(file.questions)
            .subspan(begin, std::min(kQuestionsAtOnce, file.questions.size() - begin));
    const auto scored = ScoreChoices(inputs, part, options.form);
    for (size_t q = 0; q < part.size(); ++q) {
      score.num_right_by_sum += BestOf(scored[q], sum) == part[q].answer ? 1 : 0;
      score.num_right_by_length += BestOf(scored[q], by_length) == part[q].answer ? 1 : 0;
      score.chance += 1.0 / static_cast<double>(part[q].choices.size());
    }
  }
  score.chance /= static_cast<double>(score.num_questions);
  return score;
}

}  // namespace tandem
