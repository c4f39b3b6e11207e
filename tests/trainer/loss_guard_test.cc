#include "trainer/loss_guard.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

// Around 2, with a spread of about 0.05.
StepReport Sound(int64_t step) {
  return {.step = step, .loss = 2.0 + 0.01 * static_cast<double>(step * 7 % 11)};
}
StepReport Spike(int64_t step) { return {.step = step, .loss = 9.0}; }
StepReport Skipped(int64_t step) { return {.step = step, .skipped = "the loss is not finite"}; }

LossGuard WithHistory(const LossGuardOptions& options = {}) {
  LossGuard guard(options);
  for (int64_t step = 0; step < 30; ++step) {
    EXPECT_FALSE(guard.Observe(Sound(step)).roll_back) << step;
  }
  return guard;
}

TEST(LossGuard, RollsBackAfterSpikesInARow) {
  LossGuard guard = WithHistory();
  EXPECT_FALSE(guard.doubts());
  EXPECT_FALSE(guard.Observe(Spike(30)).roll_back);
  EXPECT_TRUE(guard.doubts());
  EXPECT_FALSE(guard.Observe(Spike(31)).roll_back);
  const GuardVerdict verdict = guard.Observe(Spike(32));
  EXPECT_TRUE(verdict.roll_back);
  EXPECT_EQ(verdict.first_bad_step, 30);
  EXPECT_NE(verdict.reason.find("the loss 9.0000 lies "), std::string::npos) << verdict.reason;
}

TEST(LossGuard, ForgivesSpikesWithASoundStepBetween) {
  LossGuard guard = WithHistory();
  for (int64_t step = 30; step < 50; ++step) {
    const bool sound = step % 3 == 2;
    EXPECT_FALSE(guard.Observe(sound ? Sound(step) : Spike(step)).roll_back) << step;
  }
}

TEST(LossGuard, RollsBackAfterThreeSkippedStepsWhateverTheOptions) {
  LossGuard guard({.spike_z = 0.0, .spike_patience = 40});
  guard.Observe(Skipped(0));
  guard.Observe(Sound(1));
  guard.Observe(Skipped(2));
  EXPECT_FALSE(guard.Observe(Skipped(3)).roll_back);
  const GuardVerdict verdict = guard.Observe(Skipped(4));
  EXPECT_TRUE(verdict.roll_back);
  EXPECT_EQ(verdict.first_bad_step, 2);
  EXPECT_EQ(verdict.reason, "the loss is not finite");
}

TEST(LossGuard, DoesNotMindALossScaleThatWasTooLarge) {
  LossGuard guard = WithHistory();
  StepReport report = Skipped(30);
  report.scale_was_too_large = true;
  for (; report.step < 60; ++report.step) EXPECT_FALSE(guard.Observe(report).roll_back);
  EXPECT_FALSE(guard.doubts());
  // In a row of bad steps it is no end: the row begins where it began.
  guard.Observe(Skipped(60));
  report.step = 61;
  guard.Observe(report);
  guard.Observe(Skipped(62));
  const GuardVerdict verdict = guard.Observe(Skipped(63));
  EXPECT_TRUE(verdict.roll_back);
  EXPECT_EQ(verdict.first_bad_step, 60);
}

TEST(LossGuard, CountsSkippedStepsBeforeASpike) {
  LossGuard guard = WithHistory();
  EXPECT_FALSE(guard.Observe(Skipped(30)).roll_back);
  EXPECT_FALSE(guard.Observe(Spike(31)).roll_back);
  EXPECT_EQ(guard.Observe(Spike(32)).first_bad_step, 30);
  LossGuard hasty = WithHistory({.spike_patience = 1});
  EXPECT_FALSE(hasty.Observe(Skipped(30)).roll_back);
  EXPECT_TRUE(hasty.Observe(Spike(31)).roll_back);
}

TEST(LossGuard, CallsNothingASpikeWhenItIsOffOrTiny) {
  LossGuard off = WithHistory({.spike_z = 0.0});
  for (int64_t step = 30; step < 40; ++step) EXPECT_FALSE(off.Observe(Spike(step)).roll_back);
  LossGuard guard({});  // a text known by heart: any change is many deviations
  for (int64_t step = 0; step < 30; ++step) guard.Observe({.step = step, .loss = 0.001});
  for (int64_t step = 30; step < 40; ++step) {
    EXPECT_FALSE(guard.Observe({.step = step, .loss = 0.05}).roll_back) << step;
  }
}

TEST(LossGuard, LowersTheRateAndGivesUpAtLast) {
  LossGuard guard({.rate_factor = 0.5, .max_rollbacks = 2});
  const GuardVerdict verdict{
      .roll_back = true, .first_bad_step = 6, .reason = "it went wrong", .advice = {}};
  const LossGuardState saved{.monitor = {.window = {1.0, 2.0}, .num_since_check = 2}};
  guard.RollBack(verdict, &saved);
  EXPECT_EQ(guard.state().rate_factor, 0.5);
  EXPECT_EQ(guard.state().monitor.window, saved.monitor.window);
  guard.RollBack(verdict, nullptr);
  EXPECT_EQ(guard.state().rate_factor, 0.25);
  EXPECT_EQ(guard.state().num_rollbacks, 2);
  const std::string problem = MessageOf<ConfigError>([&] { guard.RollBack(verdict, nullptr); });
  for (const std::string part :
       {"step 7: it went wrong", "after 2 rollbacks", "a lower --learning-rate"}) {
    EXPECT_NE(problem.find(part), std::string::npos) << part << ": " << problem;
  }
}

TEST(LossGuard, DecidesTheSameFromItsState) {
  LossGuard whole = WithHistory();
  for (int64_t step = 30; step < 33; ++step) {
    LossGuard again({}, whole.state());
    EXPECT_EQ(again.Observe(Spike(step)).roll_back, whole.Observe(Spike(step)).roll_back) << step;
    EXPECT_EQ(again.state().monitor.window, whole.state().monitor.window);
  }
}

TEST(LossGuard, AdvisesOnceOfWhatAPersonShouldKnow) {
  LossGuard guard({.spike_z = 0.0});
  std::vector<std::string> advice;
  for (int64_t step = 0; step < 500; ++step) {
    const GuardVerdict verdict = guard.Observe({.step = step, .loss = step % 20 == 19 ? 9.0 : 2.0});
    advice.insert(advice.end(), verdict.advice.begin(), verdict.advice.end());
  }
  ASSERT_EQ(advice.size(), 2u);
  EXPECT_NE(advice[0].find("more than twice the median"), std::string::npos) << advice[0];
  EXPECT_NE(advice[1].find("has not fallen"), std::string::npos) << advice[1];
}

}  // namespace
}  // namespace tandem
