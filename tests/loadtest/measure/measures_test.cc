// The definitions, on requests whose times are written down.

#include "loadtest/measure/measures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "loadtest/measure/timeline.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

// Due at 1000 ms, sent 5 ms later, 11 tokens: the first at 1100 ms, the last at 1600 ms.
RequestRecord ElevenTokens() {
  return {.scheduled = milliseconds(1000),
          .sent = milliseconds(1005),
          .first_output = milliseconds(1100),
          .end = milliseconds(1600),
          .num_input_tokens = 8,
          .num_cached_tokens = 4,
          .num_output_tokens = 11,
          .status = 200,
          .is_streamed = true,
          .has_usage = true};
}

RequestRecord Failed(Outcome outcome) {
  RequestRecord record = ElevenTokens();
  record.outcome = outcome;
  return record;
}

TEST(Measures, LatenciesCountFromWhenARequestWasDue) {
  Measures measures;
  measures.Add(ElevenTokens(), std::array<uint32_t, 2>{40'000, 60'000}, {});
  EXPECT_DOUBLE_EQ(measures.of(Metric::kTtft).mean_microseconds(), 100'000.0);
  EXPECT_DOUBLE_EQ(measures.of(Metric::kE2e).mean_microseconds(), 600'000.0);
  EXPECT_DOUBLE_EQ(measures.of(Metric::kTpot).mean_microseconds(), 50'000.0);  // 500 ms over 10
  EXPECT_DOUBLE_EQ(measures.of(Metric::kItl).mean_microseconds(), 50'000.0);
  EXPECT_EQ(measures.of(Metric::kItl).count(), 2);
  EXPECT_DOUBLE_EQ(measures.of(Metric::kSendDelay).mean_microseconds(), 5000.0);
  EXPECT_EQ(measures.num_input_tokens(), 8);
  EXPECT_EQ(measures.num_cached_tokens(), 4);
  EXPECT_EQ(measures.num_output_tokens(), 11);
}

TEST(Measures, OneTokenHasNoTpotAndAWholeAnswerNoTtft) {
  Measures measures;
  RequestRecord one = ElevenTokens();
  one.num_output_tokens = 1;
  measures.Add(one, {}, {});
  RequestRecord whole = ElevenTokens();
  whole.is_streamed = false;
  measures.Add(whole, {}, {});
  EXPECT_EQ(measures.of(Metric::kTpot).count(), 0);
  EXPECT_EQ(measures.of(Metric::kTtft).count(), 1);
  EXPECT_EQ(measures.of(Metric::kE2e).count(), 2);
}

TEST(Measures, OnlyCompletedRequestsHaveLatencies) {
  Measures measures;
  for (const Outcome outcome : {Outcome::kTooMany, Outcome::kBroken, Outcome::kCancelled}) {
    measures.Add(Failed(outcome), {}, {});
  }
  EXPECT_EQ(measures.of(Metric::kE2e).count(), 0);
  EXPECT_EQ(measures.num_requests(), 3);
  EXPECT_EQ(measures.num_errors(), 2);
  EXPECT_DOUBLE_EQ(measures.error_share(), 1.0);
  EXPECT_EQ(measures.num_output_tokens(), 0);
}

TEST(Measures, ARejectionLastsFromWhenItWasDueToTheEndOfTheAnswer) {
  Measures measures;
  for (const Outcome outcome : {Outcome::kTooMany, Outcome::kUnavailable, Outcome::kServerError,
                                Outcome::kRefused, Outcome::kCompleted}) {
    measures.Add(Failed(outcome), {}, {});
  }
  EXPECT_EQ(measures.of(Metric::kRejection).count(), 2);
  EXPECT_DOUBLE_EQ(measures.of(Metric::kRejection).mean_microseconds(), 600'000.0);
  EXPECT_DOUBLE_EQ(measures.Quantile(Metric::kRejection, 1.0), 600.0);
}

TEST(Measures, APercentileThatFallsOnErrorsIsInfinite) {
  Measures measures;
  for (int i = 0; i < 96; ++i) measures.Add(ElevenTokens(), {}, {});
  for (int i = 0; i < 4; ++i) measures.Add(Failed(Outcome::kUnavailable), {}, {});
  EXPECT_NEAR(measures.Quantile(Metric::kE2e, 0.95), 600.0, 0.3);
  EXPECT_TRUE(std::isinf(measures.Quantile(Metric::kE2e, 0.97)));
  EXPECT_TRUE(std::isfinite(measures.Quantile(Metric::kTpot, 0.99)));
}

TEST(Measures, GoodRequestsKeepEveryLimit) {
  const GoodLimits limits = ParseGoodLimits("ttft:100ms,e2e:1s");
  Measures measures;
  measures.Add(ElevenTokens(), {}, limits);
  RequestRecord slow = ElevenTokens();
  slow.first_output = milliseconds(1101);
  measures.Add(slow, {}, limits);
  measures.Add(Failed(Outcome::kTimeout), {}, limits);
  EXPECT_EQ(measures.num_good(), 1);
  EXPECT_DOUBLE_EQ(measures.good_share(), 1.0 / 3.0);
  EXPECT_EQ(ParseGoodLimits("tpot:50ms").tpot, milliseconds(50));
}

TEST(Measures, WrongLimitsAreNamed) {
  const auto message = [](const std::string& text) {
    return MessageOf<ConfigError>([&] { ParseGoodLimits(text); });
  };
  EXPECT_TRUE(Contains(message("tfft:1s"), "did you mean ttft?"));
  EXPECT_TRUE(Contains(message("e2e:fast"), "e2e:fast"));
  EXPECT_TRUE(Contains(message("e2e"), "ttft:200ms,e2e:500ms"));
  EXPECT_TRUE(Contains(message(""), "NAME:DURATION"));
}

TEST(Measures, AddUpAndComeBackFromJson) {
  Measures one("all");
  one.Add(ElevenTokens(), std::array<uint32_t, 1>{1000}, {});
  Measures two("all");
  two.Add(Failed(Outcome::kStreamError), {}, {});
  two.Add(ElevenTokens(), {}, {});
  one.Merge(two);
  EXPECT_EQ(one.num_requests(), 3);
  EXPECT_EQ(one.of(Metric::kE2e).count(), 2);
  const nlohmann::json json = one.ToJson();
  EXPECT_EQ(json["requests"], 3);
  EXPECT_EQ(json["outcomes"]["completed"], 2);
  EXPECT_EQ(json["outcomes"]["error in stream"], 1);
  EXPECT_EQ(Measures::FromJson(json, "here").ToJson(), json);
}

TEST(Timeline, PutsEventsWhereTheyHappenedAndLatenciesWhereTheyBegan) {
  Timeline timeline(std::chrono::seconds(60));  // intervals of one second
  RequestRecord slow = ElevenTokens();
  slow.end = milliseconds(3500);
  timeline.Add(slow);
  timeline.CountOutput(milliseconds(3100));
  RequestRecord refused = Failed(Outcome::kRefused);
  refused.end = milliseconds(2000);
  timeline.Add(refused);
  const std::vector<TimelinePoint>& points = timeline.points();
  EXPECT_DOUBLE_EQ(timeline.interval_seconds(), 1.0);
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[1].num_due, 2);
  EXPECT_EQ(points[1].num_sent, 2);
  EXPECT_EQ(points[1].e2e.count(), 1);
  EXPECT_NEAR(static_cast<double>(points[1].e2e.Quantile(0.95)), 2.5e6, 2.5e6 / 256);
  EXPECT_EQ(points[3].num_completed, 1);
  EXPECT_EQ(points[3].num_outputs, 1);
  EXPECT_EQ(points[2].outcomes[static_cast<size_t>(Outcome::kRefused)], 1);
  EXPECT_EQ(ToJson(TimelineFromJson(ToJson(points), "here")), ToJson(points));
}

TEST(Timeline, OneThatBeganLaterIsAddedAtItsTime) {
  Timeline first(std::chrono::seconds(60));
  first.Add(ElevenTokens());
  std::vector<TimelinePoint> sum = first.points();
  const size_t size = sum.size();
  MergeTimeline(first.points(), 1.6, first.interval_seconds(), sum);
  ASSERT_EQ(sum.size(), size + 2);
  MergeTimeline(first.points(), 0.4, first.interval_seconds(), sum);
  ASSERT_EQ(sum.size(), size + 2);
  EXPECT_EQ(sum[1].num_due, 2);
  EXPECT_EQ(sum[3].num_due, 1);
  EXPECT_EQ(sum[1].e2e.count(), 2);
  EXPECT_DOUBLE_EQ(sum.back().begin_seconds, static_cast<double>(size + 1));
}

}  // namespace
}  // namespace tandem
