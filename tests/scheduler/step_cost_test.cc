#include "scheduler/step_cost.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tandem {
namespace {

double Truth(int64_t num_tokens) { return 0.002 + 0.0001 * static_cast<double>(num_tokens); }

TEST(StepCost, FindsTheLineThroughTheSteps) {
  StepCost cost;
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(cost.known());
    cost.Observe(1 + i % 4 * 20, Truth(1 + i % 4 * 20));
  }
  ASSERT_TRUE(cost.known());
  EXPECT_NEAR(cost.Seconds(0), 0.002, 1e-9);
  EXPECT_NEAR(cost.Seconds(100), 0.012, 1e-9);
  EXPECT_EQ(cost.TokensWithin(0.012 + 1e-9), 100);
  EXPECT_EQ(cost.TokensWithin(0.001), 0);
}

TEST(StepCost, OneSizeOfStepShowsNoSlope) {
  StepCost cost;
  for (int i = 0; i < 100; ++i) cost.Observe(40, Truth(40));
  EXPECT_FALSE(cost.known());
  for (int i = 0; i < 100; ++i) cost.Observe(i % 2 == 0 ? 40 : 10, Truth(i % 2 == 0 ? 40 : 10));
  ASSERT_TRUE(cost.known());
  for (int i = 0; i < 5000; ++i) cost.Observe(40, 0.5 * Truth(40));  // faster now
  EXPECT_NEAR(cost.Seconds(40), 0.5 * Truth(40), 1e-6);
  EXPECT_GT(cost.Seconds(400), cost.Seconds(40)) << "the slope that was seen stays";
}

TEST(StepCost, AStepThatWasHeldUpCountsLittle) {
  StepCost cost;
  for (int i = 0; i < 200; ++i) cost.Observe(1 + i % 10 * 10, Truth(1 + i % 10 * 10));
  cost.Observe(50, 3.0);
  EXPECT_NEAR(cost.Seconds(50), Truth(50), 0.1 * Truth(50));
}

TEST(StepCost, NeitherPartIsBelowZero) {
  StepCost cost;
  for (int i = 0; i < 200; ++i) {  // steeper than proportional
    const int64_t num_tokens = 1 + i % 10 * 10;
    cost.Observe(num_tokens, 1e-6 * std::pow(static_cast<double>(num_tokens), 2.0));
  }
  ASSERT_TRUE(cost.known());
  EXPECT_GE(cost.Seconds(0), 0.0);
  StepCost falling;
  for (int i = 0; i < 200; ++i) falling.Observe(1 + i % 10, 0.01 - 0.0005 * (i % 10));
  EXPECT_FALSE(falling.known()) << "no slope, so nothing to plan by";
}

}  // namespace
}  // namespace tandem
