#pragma once
// Multiple-choice questions, read from outside. Pure functions.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/data/data_report.h"

namespace tandem {

struct ChoiceQuestion {
  std::string question;
  std::vector<std::string> choices;  // two or more, none empty
  size_t answer = 0;                 // which of them is right
  int64_t line = 0;                  // where it begins, from 1
};

struct ChoiceFile {
  std::vector<ChoiceQuestion> questions;
  std::vector<BadLine> bad_lines;  // questions that cannot be asked
};

// Lines of {"question": "...", "choices": ["...", ...], "answer": index from 0}; or, where the
// first line that is not blank begins with "#Q", OpenTriviaQA's form:
//   #Q Which one does not?         (maybe more lines)
//   ^ Sloth                        the right one, written as below
//   A Mouse
//   B Sloth
ChoiceFile ReadChoiceQuestions(std::string_view content);

}  // namespace tandem
