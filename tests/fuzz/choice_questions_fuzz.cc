// ReadChoiceQuestions never throws; what it gives can be asked, in the order of the lines.

#include <string_view>

#include "kernels/core/check.h"
#include "tests/fuzz/fuzz_target.h"
#include "trainer/evaluation/choice_questions.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const ChoiceFile file =
      ReadChoiceQuestions(std::string_view(reinterpret_cast<const char*>(data), size));
  int64_t line = 0;
  for (const ChoiceQuestion& question : file.questions) {
    CHECK(question.line > line, question.line, line);
    line = question.line;
    CHECK(question.choices.size() >= 2 && question.answer < question.choices.size());
    CHECK(!question.question.empty());
    for (const std::string& choice : question.choices) CHECK(!choice.empty());
  }
  for (const BadLine& bad : file.bad_lines) CHECK(bad.line > 0 && !bad.reason.empty());
  return 0;
}
