#include "trainer/evaluation/choice_questions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "trainer/data/data_record.h"

namespace tandem {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

struct Line {
  std::string_view text;
  int64_t number = 0;
};

std::vector<Line> LinesOf(std::string_view content) {
  std::vector<Line> lines;
  for (int64_t number = 1; !content.empty(); ++number) {
    const size_t end = std::min(content.find('\n'), content.size());
    if (const auto text = Trimmed(content.substr(0, end)); !text.empty()) {
      lines.push_back({text, number});
    }
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return lines;
}

// What is wrong with it; empty when nothing is.
std::string FindProblem(const ChoiceQuestion& question) {
  if (auto problem = FindTextProblem(question.question); !problem.empty()) {
    return "the question: " + problem;
  }
  for (const std::string& choice : question.choices) {
    if (auto problem = FindTextProblem(choice); !problem.empty()) return "a choice: " + problem;
  }
  if (question.choices.size() < 2) return "there are fewer than two choices";
  if (question.answer >= question.choices.size()) return "the answer is none of the choices";
  return "";
}

void Keep(ChoiceQuestion question, ChoiceFile* file) {
  if (std::string problem = FindProblem(question); !problem.empty()) {
    file->bad_lines.push_back({.line = question.line, .reason = std::move(problem)});
  } else {
    file->questions.push_back(std::move(question));
  }
}

ChoiceQuestion ReadRecord(const Line& line) {
  const Json json = ParseJson(line.text, "the question");
  JsonFields fields(json, "the question");
  ChoiceQuestion question{.question = fields.RequiredString("question"), .line = line.number};
  if (auto choices = fields.Strings("choices")) {
    question.choices = *std::move(choices);
  } else if (!fields.Has("choices")) {
    fields.AddProblem("choices", "is missing");
  }
  question.answer = static_cast<size_t>(fields.RequiredInt("answer", {.min = 0}));
  fields.ThrowIfProblems();
  return question;
}

ChoiceFile ReadRecords(const std::vector<Line>& lines) {
  ChoiceFile file;
  for (const Line& line : lines) {
    try {
      Keep(ReadRecord(line), &file);
    } catch (const FormatError& error) {
      file.bad_lines.push_back({.line = line.number, .reason = error.what()});
    }
  }
  return file;
}

constexpr std::string_view kQuestionMark = "#Q";
constexpr char kAnswerMark = '^';

// Lines [begin, end): one question of OpenTriviaQA.
ChoiceQuestion ReadTrivia(std::span<const Line> lines) {
  ChoiceQuestion question{
      .question = std::string(Trimmed(lines[0].text.substr(kQuestionMark.size()))),
      .line = lines[0].number};
  size_t at = 1;
  for (; at < lines.size() && !lines[at].text.starts_with(kAnswerMark); ++at) {
    question.question += '\n' + std::string(lines[at].text);
  }
  if (at == lines.size()) return question;
  const std::string_view answer = Trimmed(lines[at].text.substr(1));
  for (++at; at < lines.size(); ++at) {  // "A Mouse"
    question.choices.emplace_back(Trimmed(lines[at].text.substr(1)));
  }
  question.answer =
      static_cast<size_t>(std::ranges::find(question.choices, answer) - question.choices.begin());
  return question;
}

ChoiceFile ReadTriviaFile(const std::vector<Line>& lines) {
  const auto begins = [](const Line& line) { return line.text.starts_with(kQuestionMark); };
  ChoiceFile file;
  for (auto begin = lines.begin(); begin != lines.end();) {
    const auto end = std::find_if(begin + 1, lines.end(), begins);
    Keep(ReadTrivia({begin, end}), &file);
    begin = end;
  }
  return file;
}

}  // namespace

ChoiceFile ReadChoiceQuestions(std::string_view content) {
  const std::vector<Line> lines = LinesOf(content);
  if (lines.empty()) return {};
  return lines.front().text.starts_with(kQuestionMark) ? ReadTriviaFile(lines) : ReadRecords(lines);
}

}  // namespace tandem
