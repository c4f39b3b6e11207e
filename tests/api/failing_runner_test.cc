#include "api/cli/failing_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "kernels/core/error.h"
#include "tests/support/fake_runner.h"

namespace tandem {
namespace {

class CountingRunner : public Runner {
 public:
  const RunnerLimits& limits() const override { return limits_; }
  void Run(const StepBatch&, StepResult&) override { ++num_steps; }
  int num_steps = 0;

 private:
  RunnerLimits limits_{.max_context = 77};
};

// "x.." for a first step that failed and two that did not.
std::string Outcomes(const char* steps, int count) {
  CountingRunner behind;
  FailingRunner runner(behind, ParseFailingSteps(steps));
  EXPECT_EQ(runner.limits().max_context, 77);
  std::string outcomes;
  StepResult result;
  for (int i = 0; i < count; ++i) {
    try {
      runner.Run({}, result);
      outcomes.push_back('.');
    } catch (const DeviceError&) {
      outcomes.push_back('x');
    }
  }
  EXPECT_EQ(behind.num_steps, static_cast<int>(std::ranges::count(outcomes, '.')));
  return outcomes;
}

TEST(FailingRunner, FailsTheStepsOfARange) {
  EXPECT_EQ(Outcomes("1:1", 3), "x..");
  EXPECT_EQ(Outcomes("2:4", 6), ".xxx..");
}

TEST(FailingRunner, FailsEveryNthStep) {
  EXPECT_EQ(Outcomes("every:3", 7), "..x..x.");
  EXPECT_EQ(Outcomes("every:1", 2), "xx");
}

// The step that fails is forgotten by the runner behind too, with the one before it.
TEST(FailingRunner, FailsStepsThatOverlap) {
  const RunnerLimits limits{.num_pages = 4,
                            .max_context = 32,
                            .max_step_tokens = 8,
                            .max_sequences = 2,
                            .vocab_size = 10};
  FakeRunner behind(limits, Overlap::kYes);
  FailingRunner runner(behind, ParseFailingSteps("3:3"));
  EXPECT_TRUE(runner.overlaps());
  const std::vector<TokenId> history = {1, 2, 3};
  const std::vector<PageId> pages = {0};
  const SamplingParams sampling;
  const StepBatch batch{.sequences = {{.history = history,
                                       .num_prompt = 3,
                                       .count = 3,
                                       .pages = pages,
                                       .sampling = &sampling,
                                       .sample = true}}};
  StepResult result;
  runner.Launch(batch);
  runner.Await(result);
  EXPECT_TRUE(result.sequences[0].sampled.has_value());
  runner.Launch(batch);
  EXPECT_EQ(behind.num_under_way(), 1u);
  EXPECT_THROW(runner.Launch(batch), DeviceError);
  EXPECT_EQ(behind.num_under_way(), 0u);
  runner.Launch(batch);
  runner.Await(result);
  EXPECT_EQ(behind.num_steps(), 3);
}

TEST(FailingRunner, RefusesWhatIsNoRange) {
  for (const char* text : {"", ":", "1", "1:", ":1", "0:3", "3:2", "every:", "every:0", "each:2",
                           "1:2:3", "-1:2", "1.5:2", "99999999999999999999:2", " 1:2"}) {
    EXPECT_THROW(ParseFailingSteps(text), ConfigError) << text;
  }
}

}  // namespace
}  // namespace tandem
