#include "trainer/log/loss_monitor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tandem {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What the last of these losses is told, after those of `monitor`.
LossFindings ObserveAll(LossMonitor& monitor, const std::vector<double>& losses) {
  LossFindings findings;
  for (const double loss : losses) findings = monitor.Observe(loss);
  return findings;
}

std::vector<double> Falling(int64_t count, double from = 10.0) {
  std::vector<double> losses;
  for (int64_t i = 0; i < count; ++i) losses.push_back(from - 0.01 * static_cast<double>(i));
  return losses;
}

TEST(LossMonitor, FindsNothingInLossesThatFall) {
  LossMonitor monitor;
  for (const double loss : Falling(500)) {
    const LossFindings findings = monitor.Observe(loss);
    EXPECT_FALSE(findings.unstable);
    EXPECT_FALSE(findings.not_falling);
    if (findings.z_score) {
      EXPECT_LT(*findings.z_score, 0.0);
    }
  }
}

TEST(LossMonitor, WarnsOnceAWindowOfALossAboveTwiceTheMedian) {
  std::vector<double> losses = Falling(300);
  losses[150] = 2.0 * 9.0;  // the median is less, by what half a window falls
  LossMonitor monitor;
  std::vector<size_t> warned;
  for (size_t i = 0; i < losses.size(); ++i) {
    if (monitor.Observe(losses[i]).unstable) warned.push_back(i);
  }
  EXPECT_EQ(warned, std::vector<size_t>{199});
  losses[150] = 2.0 * 8.4;
  LossMonitor calm;
  for (const double loss : losses) EXPECT_FALSE(calm.Observe(loss).unstable);
}

TEST(LossMonitor, WarnsWhenTheLastTenAreNoBetterThanTheTenBefore) {
  std::vector<double> losses = Falling(80);
  losses.insert(losses.end(), 20, 9.0);
  LossMonitor monitor;
  EXPECT_TRUE(ObserveAll(monitor, losses).not_falling);
  losses.back() = 8.99;
  LossMonitor better;
  EXPECT_FALSE(ObserveAll(better, losses).not_falling);
}

TEST(LossMonitor, ScoresTheNewestLossAgainstMedianAndSpread) {
  LossMonitor monitor;
  std::vector<double> losses;
  for (int i = 0; i < 21; ++i) losses.push_back(static_cast<double>(i));  // median 10, MAD 5
  losses[20] = 1e6;                                                       // moves neither
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(monitor.Observe(losses[i]).z_score);
  monitor.Observe(losses[20]);
  EXPECT_DOUBLE_EQ(*monitor.Observe(20.0).z_score, 10.0 / (1.4826 * 5.0));
}

TEST(LossMonitor, ScoresAnEvenNumberOfLossesByTheMiddleOfTwo) {
  LossMonitor monitor;
  for (int i = 0; i < 20; ++i) monitor.Observe(i);  // median 9.5, MAD 5
  EXPECT_DOUBLE_EQ(*monitor.Observe(4.5).z_score, -1.0 / 1.4826);
}

TEST(LossMonitor, ScoresByEqualLossesAreZeroOrInfinite) {
  LossMonitor monitor;
  ObserveAll(monitor, std::vector<double>(50, 2.0));
  EXPECT_EQ(*monitor.Observe(2.0).z_score, 0.0);
  EXPECT_EQ(*monitor.Observe(2.5).z_score, kInfinity);
  EXPECT_EQ(*monitor.Observe(1.5).z_score, -kInfinity);
}

TEST(LossMonitor, ALossThatIsNotFiniteStaysOutOfTheWindow) {
  LossMonitor monitor;
  ObserveAll(monitor, Falling(50));
  const LossMonitorState before = monitor.state();
  EXPECT_EQ(*monitor.Observe(std::nan("")).z_score, kInfinity);
  EXPECT_EQ(*monitor.Observe(-kInfinity).z_score, kInfinity);
  EXPECT_EQ(monitor.state().window, before.window);
  EXPECT_EQ(monitor.state().num_since_check, before.num_since_check);
}

TEST(LossMonitor, ARestoredOneFindsTheSame) {
  std::vector<double> losses = Falling(470);
  losses[170] = 50.0;
  LossMonitor whole;
  LossMonitor resumed;
  for (size_t i = 0; i < losses.size(); ++i) {
    if (i % 37 == 0) resumed = LossMonitor(resumed.state());
    const LossFindings expected = whole.Observe(losses[i]);
    const LossFindings findings = resumed.Observe(losses[i]);
    EXPECT_EQ(findings.z_score, expected.z_score) << i;
    EXPECT_EQ(findings.unstable, expected.unstable) << i;
    EXPECT_EQ(findings.not_falling, expected.not_falling) << i;
  }
}

}  // namespace
}  // namespace tandem
