// Each kind of load against a server that writes down what came when. Nothing here depends on how
// fast the machine is.

#include "loadtest/ladder/ladder_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "loadtest/workload/request_maker.h"
#include "tests/loadtest/support/mock_server.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

const MockAnswer kAnswer{.kind = MockAnswer::Kind::kWhole,
                         .first = milliseconds(1),
                         .gap = milliseconds(1),
                         .has_token_ids = true};

Workload ThreeUsers() {
  Workload workload{.name = "test", .duration = milliseconds(120), .warm_up = milliseconds(20)};
  workload.num_users = 3;
  workload.seed = 5;
  workload.classes = {
      RequestClass{.prompt = {.unit = PromptUnit::kTokens, .length = FixedLength{4}},
                   .shared_prefix = SharedPrefix{.length = FixedLength{6}, .num_prefixes = 2},
                   .output = UniformLength{2, 5},
                   .ignore_eos = true,
                   .temperature = 0.0}};
  return workload;
}

LadderRunOutcome RunLoad(MockServer& server, LadderLoad load, const Workload& workload,
                         milliseconds drain = std::chrono::minutes(1)) {
  boost::asio::io_context io;
  return RunLadderLoad(
      io, workload,
      {.url = ParseServerUrl(server.url()), .model = "m", .load = load, .drain = drain});
}

std::vector<TokenRequest> FirstRequests(const Workload& workload, size_t count) {
  RequestMaker maker(workload, {}, 0);
  std::vector<TokenRequest> requests;
  for (size_t i = 0; i < count; ++i) requests.push_back(maker.MakeTokens());
  return requests;
}

TEST(LadderRun, RecomputesEachTokenFromTheWholeText) {
  const Workload workload = ThreeUsers();
  MockServer server(kAnswer);
  const LadderRunOutcome outcome = RunLoad(server, LadderLoad::kRecompute, workload);
  ASSERT_EQ(outcome.failure, "");
  ASSERT_FALSE(outcome.answers.empty());
  const std::vector<TokenRequest> requests = FirstRequests(workload, outcome.answers.size());
  const std::vector<MockRecord> records = server.Records();
  size_t next = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    std::vector<int64_t> prompt = requests[i].prompt;
    EXPECT_EQ(prompt.size(), 10u);
    for (int64_t token = 0; token < requests[i].num_output_tokens; ++token) {
      ASSERT_LT(next, records.size());
      const json body = json::parse(records[next++].body);
      EXPECT_EQ(body["prompt"], json(prompt));
      EXPECT_EQ(body["max_tokens"], 1);
      EXPECT_FALSE(body.contains("stream"));
      prompt.push_back(7);
    }
    const auto num_tokens = static_cast<size_t>(requests[i].num_output_tokens);
    EXPECT_EQ(outcome.answers[i], std::vector<int64_t>(num_tokens, 7));
  }
  EXPECT_EQ(next, records.size()) << "the last answer is waited for, and nothing else asked";
}

TEST(LadderRun, StreamsOneByOne) {
  const Workload workload = ThreeUsers();
  MockServer server(kAnswer);
  const LadderRunOutcome outcome = RunLoad(server, LadderLoad::kOneByOne, workload);
  ASSERT_EQ(outcome.failure, "");
  const std::vector<TokenRequest> requests = FirstRequests(workload, outcome.answers.size());
  const std::vector<MockRecord> records = server.Records();
  ASSERT_EQ(records.size(), outcome.answers.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const json body = json::parse(records[i].body);
    EXPECT_EQ(body["prompt"], json(requests[i].prompt));
    EXPECT_EQ(body["max_tokens"], requests[i].num_output_tokens);
    EXPECT_EQ(body["temperature"], 0);
    EXPECT_EQ(body["ignore_eos"], true);
    EXPECT_EQ(body["stream"], true);
    EXPECT_EQ(body["model"], "m");
    ASSERT_EQ(std::ssize(outcome.answers[i]), requests[i].num_output_tokens);
    EXPECT_EQ(outcome.answers[i].back(), 99 + requests[i].num_output_tokens);
    if (i == 0) continue;
    EXPECT_GE(records[i].received, records[i - 1].last_sent);
  }
  EXPECT_EQ(server.num_connections(), 1);
  const Measures& total = outcome.total;
  EXPECT_GE(total.count(Outcome::kCompleted), 1) << "the last ended after the warm-up";
  EXPECT_EQ(total.of(Metric::kTpot).count(), total.count(Outcome::kCompleted));
}

TEST(LadderRun, CountsTokensAsTheyComeWithinTheWindow) {
  const Workload workload = ThreeUsers();
  MockServer server(kAnswer);
  const LadderRunOutcome outcome = RunLoad(server, LadderLoad::kContinuous, workload);
  ASSERT_EQ(outcome.failure, "");
  int64_t num_tokens = 0;
  for (const auto& answer : outcome.answers) num_tokens += std::ssize(answer);
  EXPECT_LE(outcome.num_output_tokens, num_tokens);
  EXPECT_GT(outcome.window_seconds, 0.0);
  EXPECT_LE(outcome.total.num_output_tokens(), num_tokens);
}

// Of each batch, all requests come before the next batch's first, and that after all were answered.
TEST(LadderRun, BatchesEndTogether) {
  const Workload workload = ThreeUsers();
  MockServer server(kAnswer);
  const LadderRunOutcome outcome = RunLoad(server, LadderLoad::kBatches, workload);
  ASSERT_EQ(outcome.failure, "");
  const std::vector<MockRecord> records = server.Records();
  ASSERT_EQ(records.size() % 3, 0u);
  ASSERT_EQ(records.size(), outcome.answers.size());
  for (size_t batch = 3; batch < records.size(); batch += 3) {
    for (size_t i = batch - 3; i < batch; ++i) {
      EXPECT_GE(records[batch].received, records[i].last_sent);
    }
  }
}

// The first batch's shortest answer makes room at once: a fourth request comes before the longest
// has ended.
TEST(LadderRun, ContinuousLoadHasNoBatches) {
  Workload workload = ThreeUsers();
  workload.classes[0].output = UniformLength{2, 40};
  workload.duration = milliseconds(500);
  MockAnswer answer = kAnswer;
  answer.gap = milliseconds(20);
  MockServer server(answer);
  const LadderRunOutcome outcome = RunLoad(server, LadderLoad::kContinuous, workload);
  ASSERT_EQ(outcome.failure, "");
  const std::vector<MockRecord> records = server.Records();
  ASSERT_GT(records.size(), 3u);
  const auto last_of_batch =
      std::max({records[0].last_sent, records[1].last_sent, records[2].last_sent});
  EXPECT_LT(records[3].received, last_of_batch);
}

TEST(LadderRun, AsksTheSameOfEveryLoad) {
  const Workload workload = ThreeUsers();
  for (const LadderLoad load : {LadderLoad::kOneByOne, LadderLoad::kContinuous}) {
    MockServer server(kAnswer);
    const LadderRunOutcome outcome = RunLoad(server, load, workload);
    const size_t count = std::min<size_t>(outcome.answers.size(), 3);
    const std::vector<TokenRequest> requests = FirstRequests(workload, count);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(std::ssize(outcome.answers[i]), requests[i].num_output_tokens);
    }
  }
}

TEST(LadderRun, EndsAtTheFirstFailure) {
  const Workload workload = ThreeUsers();
  const auto failure = [&workload](MockAnswer answer, milliseconds drain) {
    MockServer server(answer);
    const LadderRunOutcome outcome = RunLoad(server, LadderLoad::kContinuous, workload, drain);
    EXPECT_LE(server.Records().size(), 6u);
    return outcome.failure;
  };
  const milliseconds patience = std::chrono::minutes(1);
  EXPECT_EQ(failure({.kind = MockAnswer::Kind::kStatus, .status = 503}, patience),
            "503: mock says no");
  EXPECT_TRUE(Contains(failure({.kind = MockAnswer::Kind::kBreak}, patience), "broken stream"));
  EXPECT_TRUE(Contains(failure({}, patience), "return_token_ids")) << "none are given";
  EXPECT_TRUE(
      Contains(failure({.kind = MockAnswer::Kind::kSilent}, milliseconds(1)), "no answer within"));
}

TEST(LadderRun, RefusesWorkloadsThatDoNotCompare) {
  const auto refusal = [](auto change) {
    Workload workload = ThreeUsers();
    change(workload);
    return MessageOf<ConfigError>([&] { CheckLadderWorkload(workload); });
  };
  CheckLadderWorkload(ThreeUsers());
  EXPECT_TRUE(Contains(refusal([](Workload& w) { w.api = Api::kChat; }), "api"));
  EXPECT_TRUE(Contains(refusal([](Workload& w) { w.num_users = 0; }), "closed-loop"));
  EXPECT_TRUE(
      Contains(refusal([](Workload& w) { w.classes[0].temperature.reset(); }), "temperature: 0"));
  EXPECT_TRUE(
      Contains(refusal([](Workload& w) { w.classes[0].ignore_eos = false; }), "ignore-eos"));
  EXPECT_TRUE(Contains(refusal([](Workload& w) { w.classes[0].prompt.unit = PromptUnit::kWords; }),
                       "tokens"));
  EXPECT_TRUE(Contains(refusal([](Workload& w) { w.classes[0].cancel_share = 0.5; }), "cancelled"));
}

}  // namespace
}  // namespace tandem
