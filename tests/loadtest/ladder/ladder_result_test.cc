// What is told of figures that are known.

#include "loadtest/ladder/ladder_result.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

LadderStepResult StepOf(const LadderStep& step, int64_t num_tokens) {
  LadderStepResult result{.step = step, .server = "m: all of it, 2 threads"};
  result.run.window_seconds = 2.0;
  result.run.num_output_tokens = num_tokens;
  for (int i = 0; i < 30; ++i) {
    result.run.total.Add({.first_output = milliseconds(10),
                          .end = milliseconds(110),
                          .num_output_tokens = 11,
                          .is_streamed = true,
                          .has_usage = true},
                         {}, {});
  }
  result.answers = {
      .num_answers = 4, .num_same_answers = 4, .num_tokens = 40, .num_same_tokens = 40};
  result.text = {.nats = 100.0, .num_tokens = 50, .num_bytes = 200};
  return result;
}

LadderResult ThreeSteps() {
  LadderResult result{.started = "2026-01-01T00:00:00Z", .model = "m", .num_together = 8};
  result.steps = {StepOf(LadderSteps()[0], 200), StepOf(LadderSteps()[1], 800),
                  StepOf(LadderSteps()[5], 1200)};
  return result;
}

std::string TableOf(const LadderResult& result) {
  return LadderTable(result, Styler(Styler::Colour::kOff));
}

TEST(LadderSteps, EachHasANameOfItsOwnAndOnlyRoundingChangesAnswers) {
  std::set<std::string_view> names;
  for (const LadderStep& step : LadderSteps()) {
    EXPECT_TRUE(names.insert(step.name).second) << step.name;
    EXPECT_FALSE(step.adds.empty()) << step.name;
    EXPECT_FALSE(step.server_arguments.empty()) << step.name << ": defaults may change";
    EXPECT_EQ(step.answers == LadderAnswers::kMayDiffer, step.name == "int8") << step.name;
  }
  EXPECT_EQ(LadderSteps().front().load, LadderLoad::kRecompute);
}

TEST(LadderResult, ComparesAnswersToTheFirstDifference) {
  const AnswerComparison comparison =
      CompareAnswers({{1, 2, 3}, {4, 5}, {}, {6}, {7, 7}}, {{1, 2, 3}, {4, 9}, {1}, {}});
  EXPECT_EQ(comparison.num_answers, 2) << "those that both have";
  EXPECT_EQ(comparison.num_same_answers, 1);
  EXPECT_EQ(comparison.num_tokens, 5);
  EXPECT_EQ(comparison.num_same_tokens, 4);
  EXPECT_EQ(CompareAnswers({{1, 2}}, {{1}}).num_same_tokens, 1) << "a shorter one is another";
}

TEST(LadderResult, TableHasARateAndSpeedupsInEachRow) {
  const std::string table = TableOf(ThreeSteps());
  EXPECT_TRUE(Contains(table, "2 threads"));
  EXPECT_TRUE(Contains(table, "no cache                 100.0         -        -     10.00"));
  EXPECT_TRUE(Contains(table, "KV cache                 400.0     4.00x    4.00x"));
  EXPECT_TRUE(Contains(table, "int8                     600.0     1.50x    6.00x"));
  EXPECT_TRUE(Contains(table, "110.")) << "e2e";
  EXPECT_TRUE(Contains(table, "0.7213")) << "bits per byte";
  EXPECT_TRUE(Contains(table, "4/4 100.0 %"));
  EXPECT_FALSE(Contains(table, "warning"));
}

TEST(LadderResult, TellsOfABrokenInvarianceAndFails) {
  LadderResult result = ThreeSteps();
  result.steps[2].answers.num_same_answers = 1;
  EXPECT_TRUE(result.Succeeded()) << "int8 may";
  result.steps[1].answers.num_same_answers = 3;
  EXPECT_FALSE(result.Succeeded());
  EXPECT_TRUE(Contains(TableOf(result),
                       "'KV cache' must give the first step's tokens and did not "
                       "in 1 of 4 answers"));
}

TEST(LadderResult, AFailedStepHasItsReasonAndNoFigures) {
  LadderResult result = ThreeSteps();
  result.steps[1] = {.step = LadderSteps()[1], .failure = "503: it says no"};
  EXPECT_FALSE(result.Succeeded());
  const std::string table = TableOf(result);
  EXPECT_TRUE(Contains(table, "KV cache             failed: 503: it says no"));
  EXPECT_TRUE(Contains(table, "int8                     600.0         -    6.00x"));
  const auto json = nlohmann::json::parse(LadderJson(result));
  EXPECT_EQ(json["succeeded"], false);
  EXPECT_EQ(json["steps"][1]["failure"], "503: it says no");
  EXPECT_TRUE(json["steps"][1]["speedup_over_first"].is_null());
  EXPECT_TRUE(json["steps"][2]["speedup_over_before"].is_null());
  EXPECT_EQ(json["steps"][2]["speedup_over_first"], 6.0);
}

TEST(LadderResult, WarnsOfABusyMachine) {
  LadderResult result = ThreeSteps();
  result.num_processors = 4;
  result.load_average = 0.9;
  EXPECT_FALSE(Contains(TableOf(result), "was busy"));
  result.load_average = 1.5;
  EXPECT_TRUE(Contains(TableOf(result), "was busy"));
  EXPECT_EQ(nlohmann::json::parse(LadderJson(result))["machine"]["load_average_before"], 1.5);
}

TEST(LadderResult, WarnsOfFewRequests) {
  LadderResult result = ThreeSteps();
  result.steps[0].run.total = Measures("all");
  result.steps[0].run.total.Add({.end = milliseconds(5), .num_output_tokens = 1}, {}, {});
  EXPECT_TRUE(Contains(TableOf(result), "ended only 1 requests"));
}

}  // namespace
}  // namespace tandem
