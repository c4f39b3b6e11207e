#include "scheduler/step_cost.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tandem {
namespace {

// Seconds of a step of so many tokens of sequences that have hardly begun.
double Truth(int64_t num_tokens) { return 0.002 + 0.0001 * static_cast<double>(num_tokens); }

void Observe(StepCost& cost, int64_t num_tokens, double seconds) {
  cost.Observe({.num_tokens = num_tokens}, seconds);
}

TEST(StepSize, CountsTheKeysThatEachTokenSees) {
  StepSize size;
  size.Add(0, 3);   // 1, 2, 3
  size.Add(10, 2);  // 11, 12
  EXPECT_EQ(size.num_tokens, 5);
  EXPECT_EQ(size.num_pairs, 29.0);
}

TEST(StepCost, FindsTheLineThroughTheSteps) {
  StepCost cost;
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(cost.known());
    Observe(cost, 1 + i % 4 * 20, Truth(1 + i % 4 * 20));
  }
  ASSERT_TRUE(cost.known());
  EXPECT_NEAR(cost.Seconds({}), 0.002, 1e-9);
  EXPECT_NEAR(cost.Seconds({.num_tokens = 100}), 0.012, 1e-9);
  EXPECT_NEAR(cost.ChunkSeconds(0, 100), 0.010, 1e-9);
  EXPECT_EQ(cost.TokensWithin(0.010 + 1e-9, 0), 100);
  EXPECT_EQ(cost.TokensWithin(0.00001, 0), 0);
  EXPECT_EQ(cost.TokensWithin(-1.0, 0), 0);
}

// A decode of many short sequences and a chunk of a long one may have as many tokens.
TEST(StepCost, TellsKeysFromTokens) {
  const auto truth = [](const StepSize& size) {
    return 0.001 + 0.0001 * static_cast<double>(size.num_tokens) + 3e-8 * size.num_pairs;
  };
  StepCost cost;
  for (int64_t i = 0; i < 300; ++i) {
    StepSize size;
    for (int64_t sequence = 0; sequence < 10 + i % 7; ++sequence) size.Add(20 + i % 30, 1);
    if (i % 3 == 0) size.Add(i * 13, 16 * (i % 5));
    cost.Observe(size, truth(size));
  }
  StepSize late;
  late.Add(4000, 100);
  EXPECT_NEAR(cost.Seconds(late), truth(late), 1e-6);
  EXPECT_NEAR(cost.ChunkSeconds(4000, 100), truth(late) - 0.001, 1e-6);
  for (const int64_t first : {0, 1000, 4000}) {
    const int64_t num_tokens = cost.TokensWithin(0.015, first);
    EXPECT_LE(cost.ChunkSeconds(first, num_tokens), 0.015);
    EXPECT_GT(cost.ChunkSeconds(first, num_tokens + 1), 0.015);
  }
}

TEST(StepCost, OneSizeOfStepShowsNoSlope) {
  StepCost cost;
  for (int i = 0; i < 100; ++i) Observe(cost, 40, Truth(40));
  EXPECT_FALSE(cost.known());
  for (int i = 0; i < 100; ++i) Observe(cost, i % 2 == 0 ? 40 : 10, Truth(i % 2 == 0 ? 40 : 10));
  ASSERT_TRUE(cost.known());
  for (int i = 0; i < 5000; ++i) Observe(cost, 40, 0.5 * Truth(40));  // faster now
  EXPECT_NEAR(cost.Seconds({.num_tokens = 40}), 0.5 * Truth(40), 1e-6);
  EXPECT_GT(cost.ChunkSeconds(0, 400), 0.0) << "the slope that was seen stays";
}

TEST(StepCost, AStepThatWasHeldUpCountsLittle) {
  StepCost cost;
  for (int i = 0; i < 200; ++i) Observe(cost, 1 + i % 10 * 10, Truth(1 + i % 10 * 10));
  Observe(cost, 50, 3.0);
  EXPECT_NEAR(cost.Seconds({.num_tokens = 50}), Truth(50), 0.1 * Truth(50));
}

TEST(StepCost, NoPartIsBelowZero) {
  StepCost cost;
  for (int i = 0; i < 200; ++i) {  // steeper than proportional
    const int64_t num_tokens = 1 + i % 10 * 10;
    Observe(cost, num_tokens, 1e-6 * std::pow(static_cast<double>(num_tokens), 2.0));
  }
  ASSERT_TRUE(cost.known());
  EXPECT_GE(cost.Seconds({}), 0.0);
  StepCost falling;
  for (int i = 0; i < 200; ++i) Observe(falling, 1 + i % 10, 0.01 - 0.0005 * (i % 10));
  EXPECT_FALSE(falling.known()) << "no slope, so nothing to plan by";
}

}  // namespace
}  // namespace tandem
