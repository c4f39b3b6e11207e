#include "api/cli/failing_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "kernels/core/error.h"

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

TEST(FailingRunner, RefusesWhatIsNoRange) {
  for (const char* text : {"", ":", "1", "1:", ":1", "0:3", "3:2", "every:", "every:0", "each:2",
                           "1:2:3", "-1:2", "1.5:2", "99999999999999999999:2", " 1:2"}) {
    EXPECT_THROW(ParseFailingSteps(text), ConfigError) << text;
  }
}

}  // namespace
}  // namespace tandem
