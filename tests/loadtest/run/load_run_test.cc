// Runs against a server whose latencies are known. Where a figure depends on this machine's mood,
// it is compared with what that server itself measured, or bounded from the side that no mood can
// cross.

#include "loadtest/run/load_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/loadtest/support/mock_server.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using Kind = MockAnswer::Kind;

Workload OpenLoop(double rate, milliseconds duration) {
  Workload workload{.name = "test", .duration = duration, .spacing = Spacing::kConstant};
  workload.rate = rate;
  workload.classes = {
      RequestClass{.prompt = {.unit = PromptUnit::kTokens}, .output = FixedLength{5}}};
  return workload;
}

RunSettings SettingsFor(const MockServer& server) {
  return {.url = ParseServerUrl(server.url()), .timeout = std::chrono::seconds(20)};
}

RunOutcome RunLoadOf(const Workload& workload, const RunSettings& settings) {
  return LoadRun(workload, settings, nullptr).Execute();
}

double Milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double NearestRank(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const double rank = std::ceil(share * static_cast<double>(values.size()) - 1e-9);
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

TEST(LoadRun, CountsEveryRequestAndToken) {
  MockServer server({});
  const RunOutcome outcome = RunLoadOf(OpenLoop(50, milliseconds(1000)), SettingsFor(server));
  EXPECT_EQ(outcome.num_due, 50);
  EXPECT_EQ(outcome.total.count(Outcome::kCompleted), 50);
  EXPECT_EQ(outcome.total.num_output_tokens(), 250);
  EXPECT_EQ(outcome.total.num_input_tokens(), 150);
  EXPECT_EQ(outcome.total.num_with_usage(), 50);
  EXPECT_EQ(outcome.total.of(Metric::kItl).count(), 200);
  EXPECT_EQ(outcome.total.of(Metric::kTtft).count(), 50);
  EXPECT_EQ(server.Records().size(), 50u);
  EXPECT_LE(server.num_connections(), 50);
  int64_t num_outputs = 0;
  for (const TimelinePoint& point : outcome.timeline) num_outputs += point.num_outputs;
  EXPECT_EQ(num_outputs, 250);
}

// How late the server's own timers were, a measure of how busy this machine is: a client cannot be
// woken more exactly than a server.
double TimerLateness(const std::vector<MockRecord>& records, milliseconds first) {
  std::vector<double> lateness;
  for (const MockRecord& record : records) {
    lateness.push_back(Milliseconds(record.first_sent - record.received - first));
  }
  return NearestRank(lateness, 0.95);
}

// No request can be over, for the client, before the server gave its end away, so the percentiles
// never lie below the server's own. Above them they lie by what the machine takes to pass bytes on:
// within a millisecond on one that has time. exchange_test.cc has the same without a machine.
TEST(LoadRun, PercentilesAreWithinAMillisecondOfTheServersOwn) {
  constexpr milliseconds kFirst(30);
  double best = 1e9;
  double lateness = 0.0;
  for (int attempt = 0; attempt < 5 && best >= 1.0; ++attempt) {
    MockServer server({.first = kFirst, .gap = milliseconds(4), .num_pieces = 10});
    const RunOutcome outcome = RunLoadOf(OpenLoop(40, milliseconds(1000)), SettingsFor(server));
    const std::vector<MockRecord> records = server.Records();
    std::vector<double> ttft;
    std::vector<double> e2e;
    for (const MockRecord& record : records) {
      ttft.push_back(Milliseconds(record.first_sent - record.received));
      e2e.push_back(Milliseconds(record.last_sent - record.received));
    }
    ASSERT_EQ(e2e.size(), 40u);
    double worst = 0.0;
    for (const double share : {0.5, 0.9, 0.95}) {
      const double ttft_off =
          outcome.total.Quantile(Metric::kTtft, share) - NearestRank(ttft, share);
      const double e2e_off = outcome.total.Quantile(Metric::kE2e, share) - NearestRank(e2e, share);
      EXPECT_GT(ttft_off, -0.1);  // half of a bucket
      EXPECT_GT(e2e_off, -0.1);
      worst = std::max({worst, ttft_off, e2e_off});
    }
    best = std::min(best, worst);
    lateness = std::max(lateness, TimerLateness(records, kFirst));
  }
  if (best >= 1.0 && lateness > 0.3) {
    GTEST_SKIP() << "this machine is too busy to say: timers of the server were " << lateness
                 << " ms late";
  }
  EXPECT_LT(best, 1.0);
}

// The server stands still for 400 ms. Of 100 requests a second, some 40 fall into that time and
// wait, whether they could be sent or not. A tester that sends the next only when it may, and
// counts from there, would see one slow request.
TEST(LoadRun, AStallShowsInEveryRequestThatFellIntoIt) {
  for (const int64_t max_in_flight : {int64_t{8192}, int64_t{1}}) {
    MockServer server({.first = milliseconds(1), .gap = milliseconds(0), .num_pieces = 1});
    server.StallAfter(milliseconds(300), milliseconds(400));
    RunSettings settings = SettingsFor(server);
    settings.max_in_flight = max_in_flight;
    const RunOutcome outcome = RunLoadOf(OpenLoop(100, milliseconds(1000)), settings);
    ASSERT_EQ(outcome.total.count(Outcome::kCompleted), 100);
    const LatencyHistogram& e2e = outcome.total.of(Metric::kE2e);
    const LatencyHistogram& delay = outcome.total.of(Metric::kSendDelay);
    // Those due in the first 300 ms of the stall waited 100 ms or more: 30 of them; the 29th is
    // sure, whatever the clocks of the two threads make of the stall's beginning.
    EXPECT_GE(e2e.count() - e2e.CountUpTo(milliseconds(95)), 29);
    EXPECT_GE(e2e.max_microseconds(), 380'000);
    if (max_in_flight == 1) {
      EXPECT_EQ(outcome.peak_in_flight, 1);
      EXPECT_GE(delay.count() - delay.CountUpTo(milliseconds(95)), 28) << "held back, and said so";
      std::vector<double> served;
      for (const MockRecord& record : server.Records()) {
        served.push_back(Milliseconds(record.last_sent - record.received));
      }
      EXPECT_LT(NearestRank(served, 0.9), 95.0) << "as one sees it who counts from the sending";
    } else {
      EXPECT_GE(outcome.peak_in_flight, 30);
    }
  }
}

TEST(LoadRun, TheWarmUpIsNotMeasured) {
  MockServer server({.first = milliseconds(1), .num_pieces = 2});
  Workload workload = OpenLoop(50, milliseconds(1000));
  workload.warm_up = milliseconds(400);
  const RunOutcome outcome = RunLoadOf(workload, SettingsFor(server));
  EXPECT_EQ(outcome.num_due, 50);
  EXPECT_EQ(outcome.total.num_requests(), 30);
  EXPECT_GE(outcome.window_seconds, 0.6);
  EXPECT_NEAR(outcome.completed_per_second(), 30.0 / outcome.window_seconds, 1e-9);
}

TEST(LoadRun, AClosedLoopNeverHasMoreThanItsUsers) {
  MockServer server({.first = milliseconds(10), .num_pieces = 2});
  Workload workload = OpenLoop(1, milliseconds(600));
  workload.num_users = 3;
  workload.think_time = milliseconds(20);
  const RunOutcome outcome = RunLoadOf(workload, SettingsFor(server));
  EXPECT_EQ(outcome.peak_in_flight, 3);
  EXPECT_EQ(server.num_connections(), 3) << "connections are kept";
  EXPECT_GE(outcome.total.count(Outcome::kCompleted), 3);
  EXPECT_LE(outcome.total.count(Outcome::kCompleted), 3 * (600 / 35 + 1));
  EXPECT_EQ(outcome.total.num_errors(), 0);
}

struct Failure {
  MockAnswer answer;
  Outcome outcome;
  std::string reason;
};

TEST(LoadRun, TellsErrorsApart) {
  const std::vector<Failure> failures = {
      {{.kind = Kind::kStatus, .status = 429}, Outcome::kTooMany, "mock says no"},
      {{.kind = Kind::kStatus, .status = 503}, Outcome::kUnavailable, "mock says no"},
      {{.kind = Kind::kStatus, .status = 400}, Outcome::kBadRequest, "mock says no"},
      {{.kind = Kind::kStatus, .status = 500}, Outcome::kServerError, "mock says no"},
      {{.kind = Kind::kBreak}, Outcome::kBroken, "End of file"},
      {{.kind = Kind::kErrorEvent}, Outcome::kStreamError, "mock broke"},
      {{.kind = Kind::kGarbage}, Outcome::kBroken, "not an HTTP response"},
      {{.kind = Kind::kSilent}, Outcome::kTimeout, ""}};
  for (const Failure& failure : failures) {
    MockServer server(failure.answer);
    RunSettings settings = SettingsFor(server);
    if (failure.outcome == Outcome::kTimeout) settings.timeout = milliseconds(100);
    const RunOutcome outcome = RunLoadOf(OpenLoop(50, milliseconds(100)), settings);
    EXPECT_EQ(outcome.total.count(failure.outcome), 5) << Name(failure.outcome);
    EXPECT_EQ(outcome.total.num_errors(), 5) << Name(failure.outcome);
    ASSERT_TRUE(outcome.reasons.contains(failure.outcome)) << Name(failure.outcome);
    EXPECT_NE(outcome.reasons.at(failure.outcome).find(failure.reason), std::string::npos)
        << outcome.reasons.at(failure.outcome);
  }
}

// One thread of ours and one of the server's. All requests leave before the first answer begins.
TEST(LoadRun, HoldsFourThousandStreamsAtOnce) {
  constexpr int64_t kNumStreams = 4000;
  if (RaiseConnectionLimit() < 2 * kNumStreams) {
    GTEST_SKIP() << "this process may open no more than " << RaiseConnectionLimit()
                 << " connections, and both sides are in it";
  }
  MockServer server({.first = milliseconds(1000), .gap = milliseconds(250), .num_pieces = 5});
  Workload workload = OpenLoop(1, milliseconds(500));
  workload.num_users = kNumStreams;  // each asks once: the first answer comes after the duration
  RunSettings settings = SettingsFor(server);
  settings.timeout = std::chrono::minutes(2);
  settings.drain = std::chrono::minutes(2);
  const RunOutcome outcome = RunLoadOf(workload, settings);
  EXPECT_EQ(outcome.peak_in_flight, kNumStreams);
  EXPECT_EQ(outcome.total.count(Outcome::kCompleted), kNumStreams);
  EXPECT_EQ(outcome.total.num_output_tokens(), 5 * kNumStreams);
  EXPECT_EQ(outcome.total.of(Metric::kItl).count(), 4 * kNumStreams);
  EXPECT_EQ(server.num_connections(), kNumStreams);
  std::printf("this client: %.0f %% of a core\n", 100.0 * outcome.client_cpu_share);
}

TEST(LoadRun, SaysThatNobodyListens) {
  RunSettings settings;
  {
    MockServer gone({});
    settings = SettingsFor(gone);
  }
  const RunOutcome outcome = RunLoadOf(OpenLoop(50, milliseconds(100)), settings);
  EXPECT_EQ(outcome.total.count(Outcome::kRefused), 5);
}

TEST(LoadRun, WhatHasNoAnswerAtTheEndIsUnfinished) {
  MockServer server({.kind = Kind::kSilent});
  RunSettings settings = SettingsFor(server);
  settings.drain = milliseconds(50);
  settings.max_in_flight = 2;
  const RunOutcome outcome = RunLoadOf(OpenLoop(50, milliseconds(100)), settings);
  EXPECT_EQ(outcome.total.count(Outcome::kUnfinished), 2);
  EXPECT_EQ(outcome.total.count(Outcome::kNotSent), 3);
  EXPECT_TRUE(outcome.reasons.contains(Outcome::kNotSent));
  EXPECT_EQ(outcome.classes[0].num_requests(), 2) << "of no kind yet";
  int64_t num_sent = 0;
  for (const TimelinePoint& point : outcome.timeline) num_sent += point.num_sent;
  EXPECT_EQ(num_sent, 2);
}

TEST(LoadRun, CountsPiecesWhereTheServerDoesNotCountTokens) {
  MockServer server({.num_pieces = 4, .has_usage = false});
  const RunOutcome outcome = RunLoadOf(OpenLoop(50, milliseconds(100)), SettingsFor(server));
  EXPECT_EQ(outcome.total.num_output_tokens(), 20);
  EXPECT_EQ(outcome.total.num_with_usage(), 0);
}

TEST(LoadRun, MeasuresWholeAnswersWithoutTtft) {
  MockServer server({.kind = Kind::kWhole, .first = milliseconds(10)});
  Workload workload = OpenLoop(50, milliseconds(100));
  workload.stream = false;
  const RunOutcome outcome = RunLoadOf(workload, SettingsFor(server));
  EXPECT_EQ(outcome.total.count(Outcome::kCompleted), 5);
  EXPECT_EQ(outcome.total.num_output_tokens(), 35);
  EXPECT_EQ(outcome.total.of(Metric::kTtft).count(), 0);
  EXPECT_GE(outcome.total.Quantile(Metric::kE2e, 0.0), 10.0);
}

TEST(LoadRun, CutsTheShareThatTheWorkloadNames) {
  MockServer server({.first = milliseconds(5), .gap = milliseconds(5), .num_pieces = 40});
  Workload workload = OpenLoop(100, milliseconds(500));
  workload.classes[0].cancel_share = 0.5;
  workload.classes[0].cancel_after = 3;
  const RunOutcome outcome = RunLoadOf(workload, SettingsFor(server));
  const int64_t num_cut = outcome.total.count(Outcome::kCancelled);
  EXPECT_EQ(num_cut + outcome.total.count(Outcome::kCompleted), 50);
  EXPECT_GT(num_cut, 10);
  EXPECT_LT(num_cut, 40);
  int64_t num_left = 0;
  for (const MockRecord& record : server.Records()) num_left += record.was_left ? 1 : 0;
  EXPECT_GT(num_left, 0) << "the server sees that the client went";
}

TEST(LoadRun, AConnectionThatTheServerClosedMeanwhileIsNoError) {
  MockServer server({.first = milliseconds(1), .num_pieces = 1, .closes_afterwards = true});
  Workload workload = OpenLoop(1, milliseconds(500));
  workload.num_users = 1;
  const RunOutcome outcome = RunLoadOf(workload, SettingsFor(server));
  EXPECT_GT(outcome.total.count(Outcome::kCompleted), 5);
  EXPECT_EQ(outcome.total.num_errors(), 0);
}

TEST(LoadRun, AConversationSendsWhatWasSaid) {
  MockServer server({.first = milliseconds(1), .num_pieces = 3});
  Workload workload = OpenLoop(1, milliseconds(400));
  workload.api = Api::kChat;
  workload.num_users = 1;
  workload.classes[0].prompt.unit = PromptUnit::kWords;
  workload.classes[0].turns = FixedLength{3};
  RunLoadOf(workload, SettingsFor(server));
  const std::vector<MockRecord> records = server.Records();
  ASSERT_GE(records.size(), 4u);
  const auto messages = [&](size_t i) {
    return nlohmann::json::parse(records[i].body)["messages"];
  };
  EXPECT_EQ(messages(0).size(), 1u);
  ASSERT_EQ(messages(2).size(), 5u);
  EXPECT_EQ(messages(2)[0], messages(0)[0]);
  EXPECT_EQ(messages(2)[1]["role"], "assistant");
  EXPECT_EQ(messages(2)[1]["content"], " w w w");
  EXPECT_EQ(messages(2)[2], messages(1)[2]);
  EXPECT_EQ(messages(3).size(), 1u) << "another conversation";
}

}  // namespace
}  // namespace tandem
