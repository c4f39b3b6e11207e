#include "loadtest/arrivals/arrival_process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tandem {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<double> SecondsOf(const RateArrivals& arrivals) {
  const auto process = MakeArrivals(arrivals);
  std::vector<double> times;
  while (const auto at = process->Next()) {
    times.push_back(std::chrono::duration<double>(*at).count());
  }
  return times;
}

struct Gaps {
  double mean = 0.0;
  double variation = 0.0;  // deviation over mean, squared
};

Gaps GapsOf(const std::vector<double>& times) {
  double sum = 0.0;
  double squares = 0.0;
  for (size_t i = 1; i < times.size(); ++i) {
    const double gap = times[i] - times[i - 1];
    sum += gap;
    squares += gap * gap;
  }
  const auto count = static_cast<double>(times.size() - 1);
  const double mean = sum / count;
  return {.mean = mean, .variation = (squares / count - mean * mean) / (mean * mean)};
}

TEST(ArrivalProcess, ConstantArrivalsAreEvenFromTheStart) {
  const auto times =
      SecondsOf({.spacing = Spacing::kConstant, .rate = 4.0, .duration = milliseconds(1100)});
  EXPECT_EQ(times, (std::vector<double>{0.0, 0.25, 0.5, 0.75, 1.0}));
}

// Seeds are fixed, so these are facts of the code and not chances.
TEST(ArrivalProcess, PoissonGapsHaveTheMeanAndTheSpreadOfAnExponential) {
  const auto times = SecondsOf({.rate = 100.0, .duration = seconds(1000), .seed = 7});
  EXPECT_NEAR(static_cast<double>(times.size()), 100'000.0, 4.0 * std::sqrt(100'000.0));
  const Gaps gaps = GapsOf(times);
  EXPECT_NEAR(gaps.mean, 0.01, 0.0002);
  EXPECT_NEAR(gaps.variation, 1.0, 0.03);
}

TEST(ArrivalProcess, GammaGapsSpreadByTheInverseOfTheBurstiness) {
  for (const double burstiness : {0.25, 1.0, 4.0}) {
    const auto times = SecondsOf({.spacing = Spacing::kGamma,
                                  .rate = 50.0,
                                  .burstiness = burstiness,
                                  .duration = seconds(2000),
                                  .seed = 11});
    const Gaps gaps = GapsOf(times);
    EXPECT_NEAR(gaps.mean, 0.02, 0.0006) << burstiness;
    EXPECT_NEAR(gaps.variation * burstiness, 1.0, 0.06) << burstiness;
  }
}

TEST(ArrivalProcess, ARampHasTheArrivalsOfItsArea) {
  const auto times = SecondsOf(
      {.spacing = Spacing::kConstant, .rate = 0.001, .end_rate = 100.0, .duration = seconds(100)});
  EXPECT_NEAR(static_cast<double>(times.size()), 5000.0, 2.0);
  size_t num_early = 0;
  for (const double at : times) num_early += at < 50.0 ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(num_early), 1250.0, 2.0);
}

TEST(ArrivalProcess, ARampDownToNothingEnds) {
  const auto times = SecondsOf(
      {.spacing = Spacing::kConstant, .rate = 10.0, .end_rate = 0.0, .duration = seconds(10)});
  EXPECT_NEAR(static_cast<double>(times.size()), 50.0, 1.0);
  for (size_t i = 1; i < times.size(); ++i) EXPECT_GT(times[i], times[i - 1]);
}

TEST(ArrivalProcess, ASeedDecidesEverything) {
  const RateArrivals one{.rate = 20.0, .duration = seconds(10), .seed = 1};
  RateArrivals two = one;
  two.seed = 2;
  EXPECT_EQ(SecondsOf(one), SecondsOf(one));
  EXPECT_NE(SecondsOf(one), SecondsOf(two));
}

}  // namespace
}  // namespace tandem
