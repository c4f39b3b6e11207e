#include "trainer/schedule.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

// A published log's rates: 5e-4 over 44160 steps.
TEST(Schedule, MiniMind2sCosineHasThePublishedValues) {
  const Schedule schedule{.kind = ScheduleKind::kCosineMiniMind2, .rate = 5e-4, .num_steps = 44160};
  const std::pair<int64_t, double> published[] = {{100, 0.000549993674},   {200, 0.000549974695},
                                                  {23900, 0.000267721147}, {24000, 0.000265958338},
                                                  {33700, 0.000116081702}, {33800, 0.000114881704},
                                                  {44100, 0.000050002277}, {44159, 0.000050000001}};
  for (const auto& [step, rate] : published) EXPECT_NEAR(RateAt(schedule, step), rate, 5e-13);
}

TEST(Schedule, CosineGoesFromTheRateToATenth) {
  const Schedule schedule{.rate = 2.0, .num_steps = 100};
  EXPECT_DOUBLE_EQ(RateAt(schedule, 0), 2.0);
  EXPECT_NEAR(RateAt(schedule, 50), 2.0 * 0.55, 1e-12);
  EXPECT_NEAR(RateAt(schedule, 100), 0.2, 1e-12);
  EXPECT_NEAR(RateAt(schedule, 1000), 0.2, 1e-12);
}

TEST(Schedule, WarmUpEndsAtTheRate) {
  for (const ScheduleKind kind : {ScheduleKind::kCosine, ScheduleKind::kWsd, ScheduleKind::kLinear,
                                  ScheduleKind::kConstant}) {
    const Schedule schedule{.kind = kind, .rate = 1.0, .num_steps = 50, .warmup_steps = 10};
    EXPECT_DOUBLE_EQ(RateAt(schedule, 0), 0.1);
    EXPECT_DOUBLE_EQ(RateAt(schedule, 4), 0.5);
    EXPECT_DOUBLE_EQ(RateAt(schedule, 9), 1.0);
    EXPECT_DOUBLE_EQ(RateAt(schedule, 10), 1.0);
    EXPECT_LE(RateAt(schedule, 11), 1.0);
  }
}

TEST(Schedule, WsdIsConstantThenFalls) {
  const Schedule schedule{.kind = ScheduleKind::kWsd,
                          .rate = 1.0,
                          .num_steps = 110,
                          .warmup_steps = 10,
                          .final_share = 0.0,
                          .wsd_decay_share = 0.2};
  EXPECT_DOUBLE_EQ(RateAt(schedule, 90), 1.0);
  EXPECT_NEAR(RateAt(schedule, 100), 0.5, 1e-12);
  EXPECT_NEAR(RateAt(schedule, 110), 0.0, 1e-12);
}

TEST(Schedule, LinearFallsEvenly) {
  const Schedule schedule{
      .kind = ScheduleKind::kLinear, .rate = 1.0, .num_steps = 10, .final_share = 0.0};
  for (int64_t t = 0; t <= 10; ++t) {
    EXPECT_NEAR(RateAt(schedule, t), 1.0 - static_cast<double>(t) / 10, 1e-12);
  }
}

TEST(Schedule, NeedsNoStepsAfterWarmUp) {
  const Schedule schedule{.rate = 1.0, .num_steps = 5, .warmup_steps = 5};
  EXPECT_DOUBLE_EQ(RateAt(schedule, 4), 1.0);
}

}  // namespace
}  // namespace tandem
