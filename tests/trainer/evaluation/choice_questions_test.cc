#include "trainer/evaluation/choice_questions.h"

#include <gtest/gtest.h>

#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

TEST(ChoiceQuestions, OfRecordsOneALine) {
  const ChoiceFile file = ReadChoiceQuestions(
      "\n{\"question\": \"One?\", \"choices\": [\"a\", \"b c\"], \"answer\": 1}\r\n"
      "{\"question\": \"Two?\", \"choices\": [\"x\", \"y\", \"z\"], \"answer\": 0}");
  ASSERT_TRUE(file.bad_lines.empty()) << file.bad_lines.front().reason;
  ASSERT_EQ(file.questions.size(), 2u);
  EXPECT_EQ(file.questions[0].question, "One?");
  EXPECT_EQ(file.questions[0].choices, (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(file.questions[0].answer, 1u);
  EXPECT_EQ(file.questions[0].line, 2);
  EXPECT_EQ(file.questions[1].choices.size(), 3u);
}

TEST(ChoiceQuestions, OfOpenTriviaQa) {
  const ChoiceFile file = ReadChoiceQuestions(
      "\n#Q Three of these hibernate. Which one does not?\n^ Sloth\nA Mouse\nB Sloth\nC Frog\n\n"
      "#Q Finish the proverb:\n\nPoets are born, ____.\n^ not made\nA not made\nB made\n");
  ASSERT_TRUE(file.bad_lines.empty()) << file.bad_lines.front().reason;
  ASSERT_EQ(file.questions.size(), 2u);
  EXPECT_EQ(file.questions[0].answer, 1u);
  EXPECT_EQ(file.questions[0].choices, (std::vector<std::string>{"Mouse", "Sloth", "Frog"}));
  EXPECT_EQ(file.questions[1].question, "Finish the proverb:\nPoets are born, ____.");
  EXPECT_EQ(file.questions[1].answer, 0u);
  EXPECT_EQ(file.questions[1].line, 8);
}

TEST(ChoiceQuestions, ThatCannotBeAskedAreListed) {
  const ChoiceFile records = ReadChoiceQuestions(
      "{\"question\": \"Q\", \"choices\": [\"a\"], \"answer\": 0}\n"
      "{\"question\": \"Q\", \"choices\": [\"a\", \"b\"], \"answer\": 2}\n"
      "{\"question\": \"Q\", \"choices\": [\"a\", \" \"], \"answer\": 0}\n"
      "{\"question\": \"Q\", \"choices\": \"a\", \"answer\": -1}\n"
      "not JSON\n");
  ASSERT_EQ(records.bad_lines.size(), 5u);
  const char* reasons[] = {"fewer than two", "none of the choices", "a choice: ", "answer",
                           "the question"};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(records.bad_lines[i].line, static_cast<int64_t>(i) + 1);
    EXPECT_TRUE(Contains(records.bad_lines[i].reason, reasons[i]));
  }
  const ChoiceFile trivia =
      ReadChoiceQuestions("#Q One?\n^ c\nA a\nB b\n#Q Two?\n#Q \xff?\n^ a\nA a\nB b\n");
  ASSERT_EQ(trivia.bad_lines.size(), 3u);
  EXPECT_TRUE(Contains(trivia.bad_lines[0].reason, "none of the choices"));
  EXPECT_TRUE(Contains(trivia.bad_lines[1].reason, "fewer than two"));
  EXPECT_TRUE(Contains(trivia.bad_lines[2].reason, "UTF-8"));
  EXPECT_TRUE(ReadChoiceQuestions(" \n\n").questions.empty());
}

}  // namespace
}  // namespace tandem
