#include "api/routes/circuit_breaker.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/api/support/manual_clock.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Permit = CircuitBreaker::Permit;

constexpr BreakerOptions kOptions{.threshold = 0.5,
                                  .window = seconds(10),
                                  .min_requests = 4,
                                  .open_time = seconds(8),
                                  .max_open_time = seconds(20),
                                  .num_probes = 2};

class CircuitBreakerTest : public ::testing::Test {
 protected:
  enum class End { kSuccess, kFailure, kNeither };

  void Ask(End end, int count = 1) {
    for (int i = 0; i < count; ++i) {
      auto permit = breaker.Admit();
      ASSERT_TRUE(permit);
      if (end == End::kSuccess) permit->Succeed();
      if (end == End::kFailure) permit->Fail();
    }
  }
  void OpenIt() {
    Ask(End::kFailure, 4);
    ASSERT_EQ(breaker.state(), BreakerState::kOpen);
  }
  void HalfOpenIt() {
    OpenIt();
    clock.Move(seconds(8));
    ASSERT_EQ(breaker.state(), BreakerState::kHalfOpen);
  }

  ManualClock clock;
  std::vector<CircuitBreaker::Transition> transitions;
  CircuitBreaker breaker{kOptions, clock.reader(),
                         [this](const auto& transition) { transitions.push_back(transition); }};
};

TEST_F(CircuitBreakerTest, StaysClosedBelowTheThreshold) {
  Ask(End::kSuccess, 30);
  Ask(End::kFailure, 29);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  EXPECT_EQ(breaker.stats().failures, 29u);
  EXPECT_TRUE(transitions.empty());
}

TEST_F(CircuitBreakerTest, OpensAtTheThreshold) {
  Ask(End::kSuccess, 3);
  Ask(End::kFailure, 2);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  Ask(End::kFailure);
  EXPECT_EQ(breaker.state(), BreakerState::kOpen);
  ASSERT_EQ(transitions.size(), 1u);
  EXPECT_EQ(transitions[0].from, BreakerState::kClosed);
  EXPECT_EQ(transitions[0].to, BreakerState::kOpen);
  EXPECT_EQ(transitions[0].num_failed, 3);
  EXPECT_EQ(transitions[0].num_ended, 6);
  EXPECT_EQ(transitions[0].open_time, seconds(8));
}

TEST_F(CircuitBreakerTest, OpensOnlyOnceEnoughHaveEnded) {
  Ask(End::kFailure, 3);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  Ask(End::kSuccess);  // the fourth: three of four
  EXPECT_EQ(breaker.state(), BreakerState::kOpen);
}

TEST_F(CircuitBreakerTest, DoesNotCountWhatIsNeitherSuccessNorFailure) {
  Ask(End::kFailure, 3);
  Ask(End::kNeither, 100);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  EXPECT_EQ(breaker.stats().failures, 3u);
}

TEST_F(CircuitBreakerTest, ForgetsWhatIsOlderThanTheWindow) {
  Ask(End::kFailure, 3);
  clock.Move(seconds(11));
  Ask(End::kFailure, 3);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  clock.Move(seconds(9));
  Ask(End::kFailure);
  EXPECT_EQ(breaker.state(), BreakerState::kOpen);
}

TEST_F(CircuitBreakerTest, RefusesWhileOpenAndTellsTheRestOfTheTime) {
  OpenIt();
  EXPECT_FALSE(breaker.Admit());
  EXPECT_EQ(breaker.RetryAfter(), seconds(8));
  clock.Move(milliseconds(2500));
  EXPECT_EQ(breaker.RetryAfter(), seconds(6));
  clock.Move(milliseconds(5499));
  EXPECT_FALSE(breaker.Admit());
  EXPECT_EQ(breaker.RetryAfter(), seconds(1));
  EXPECT_EQ(breaker.stats().refused, 2u);
}

TEST_F(CircuitBreakerTest, IsHalfOpenWhenTheTimeIsOverWhoeverAsks) {
  OpenIt();
  clock.Move(seconds(8));
  EXPECT_EQ(breaker.stats().state, BreakerState::kHalfOpen);
  EXPECT_EQ(breaker.stats().half_opened, 1u);
  EXPECT_EQ(breaker.RetryAfter(), seconds(1));
}

TEST_F(CircuitBreakerTest, LetsOnlyProbesThroughWhileHalfOpen) {
  HalfOpenIt();
  auto first = breaker.Admit();
  auto second = breaker.Admit();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(breaker.Admit());
}

TEST_F(CircuitBreakerTest, GivesAProbesPlaceToTheNextWhenItEndsAsNeither) {
  HalfOpenIt();
  auto first = breaker.Admit();
  auto second = breaker.Admit();
  second.reset();
  EXPECT_EQ(breaker.state(), BreakerState::kHalfOpen);
  auto third = breaker.Admit();
  EXPECT_TRUE(third);
  EXPECT_FALSE(breaker.Admit());
}

TEST_F(CircuitBreakerTest, ClosesAfterAsManySuccessesAsProbes) {
  HalfOpenIt();
  Ask(End::kSuccess);
  EXPECT_EQ(breaker.state(), BreakerState::kHalfOpen);
  Ask(End::kSuccess);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  EXPECT_EQ(breaker.stats().closed, 1u);
  Ask(End::kFailure, 3);  // those of before are forgotten
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  EXPECT_EQ(transitions.back().num_ended, 2);
}

TEST_F(CircuitBreakerTest, OpensForTwiceAsLongWhenAProbeFailsUpToALimit) {
  HalfOpenIt();
  for (const int expected : {16, 20, 20}) {
    Ask(End::kFailure);
    ASSERT_EQ(breaker.state(), BreakerState::kOpen);
    EXPECT_EQ(breaker.RetryAfter(), seconds(expected));
    EXPECT_EQ(transitions.back().open_time, seconds(expected));
    clock.Move(seconds(expected));
    ASSERT_EQ(breaker.state(), BreakerState::kHalfOpen);
  }
  Ask(End::kSuccess, 2);
  OpenIt();
  EXPECT_EQ(breaker.RetryAfter(), seconds(8)) << "closing starts over";
  EXPECT_EQ(breaker.stats().opened, 5u);
}

TEST_F(CircuitBreakerTest, IgnoresTheOutcomesOfEarlierStates) {
  std::vector<Permit> early;
  for (int i = 0; i < 12; ++i) early.push_back(*breaker.Admit());
  HalfOpenIt();
  early[0].Fail();
  early[1].Succeed();
  early[2].Succeed();
  EXPECT_EQ(breaker.state(), BreakerState::kHalfOpen);
  EXPECT_EQ(breaker.stats().failures, 5u) << "but counts them";
  auto slow_probe = breaker.Admit();
  Ask(End::kFailure);
  clock.Move(seconds(16));
  Ask(End::kSuccess);
  slow_probe->Succeed();
  EXPECT_EQ(breaker.state(), BreakerState::kHalfOpen) << "a probe of the first try";
  Ask(End::kSuccess);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  for (size_t i = 3; i < early.size(); ++i) early[i].Fail();
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, HearsOfAnOutcomeOnce) {
  Permit permit = *breaker.Admit();
  Permit moved = std::move(permit);
  moved.Fail();
  moved.Fail();
  moved.Succeed();
  permit.Fail();  // NOLINT: what was moved from is empty
  EXPECT_EQ(breaker.stats().failures, 1u);
  Permit().Fail();
}

TEST_F(CircuitBreakerTest, EndsAPermitThatIsOverwritten) {
  HalfOpenIt();
  Permit probe = *breaker.Admit();
  auto second = breaker.Admit();
  EXPECT_FALSE(breaker.Admit());
  probe = Permit();
  EXPECT_TRUE(breaker.Admit());
}

TEST(CircuitBreaker, NeverOpensWithoutAThreshold) {
  CircuitBreaker breaker({.threshold = 0.0, .min_requests = 1});
  for (int i = 0; i < 1000; ++i) breaker.Admit()->Fail();
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  EXPECT_EQ(breaker.stats().failures, 1000u);
}

// Whatever happens, in whatever order: the states follow each other as they may, and no more
// probes are out than allowed.
TEST(CircuitBreaker, KeepsItsRulesUnderRandomUse) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  ManualClock clock;
  BreakerState last = BreakerState::kClosed;
  CircuitBreaker breaker(kOptions, clock.reader(), [&](const auto& transition) {
    EXPECT_EQ(transition.from, last);
    last = transition.to;
    if (transition.from != BreakerState::kHalfOpen) {
      const bool from_closed = transition.from == BreakerState::kClosed;
      EXPECT_EQ(transition.to, from_closed ? BreakerState::kOpen : BreakerState::kHalfOpen);
    }
  });
  std::vector<Permit> permits;
  for (int i = 0; i < 20'000; ++i) {
    clock.Move(milliseconds(random() % 1000));
    if (auto permit = breaker.Admit()) {
      EXPECT_NE(breaker.state(), BreakerState::kOpen);
      permits.push_back(std::move(*permit));
    }
    while (!permits.empty() && random() % 2 == 0) {
      std::swap(permits[random() % permits.size()], permits.back());
      const auto end = random() % 5;
      if (end < 3) permits.back().Succeed();
      if (end == 3) permits.back().Fail();
      permits.pop_back();
    }
  }
  const BreakerStats stats = breaker.stats();
  EXPECT_GT(stats.closed, 0u);
  EXPECT_GT(stats.refused, 0u);
  EXPECT_GE(stats.opened, stats.half_opened);
  EXPECT_LE(stats.opened - stats.half_opened, 1u);
}

}  // namespace
}  // namespace tandem
