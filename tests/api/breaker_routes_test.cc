// The circuit breaker as clients, probes and scrapers meet it: a server over the real engine loop,
// whose runner fails when it is told to.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "api/cli/loop_engine.h"
#include "api/routes/answer_cache.h"
#include "tests/api/support/manual_clock.h"
#include "tests/api/support/sse_events.h"
#include "tests/api/support/test_server.h"
#include "tests/support/fake_runner.h"

namespace tandem {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr char kCompletion[] = R"({"prompt":"abc","max_tokens":4,"ignore_eos":true})";
constexpr char kDegraded[] = "Nobody is in \xe2\x80\x94 \"sorry\".";

struct WatchedEngine : LoopEngine {
  using LoopEngine::LoopEngine;
  void Cancel(RequestId id, FinishReason reason) override {
    LoopEngine::Cancel(id, reason);
    ++num_cancelled;
  }
  std::atomic<int> num_cancelled = 0;
};

// False when it did not become so in a minute.
template <typename Condition>
bool WaitUntil(Condition condition) {
  const auto deadline = Clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class BreakerRoutes : public ::testing::Test {
 protected:
  static RunnerLimits Limits() {
    return {.num_pages = 64,
            .max_context = 512,
            .max_step_tokens = 64,
            .max_sequences = 8,
            .vocab_size = 258};
  }

  void Serve(std::optional<std::string> degraded_answer = std::nullopt) {
    server = std::make_unique<TestServer>(
        TestServerOptions{.max_context = 512,
                          .engine = &engine,
                          .breaker = {.min_requests = 4,
                                      .open_time = seconds(8),
                                      .max_open_time = seconds(60),
                                      .num_probes = 2},
                          .now = clock.reader(),
                          .degraded_answer = std::move(degraded_answer),
                          .answer_cache = cache.get()});
  }
  // Four requests, one after the other, whose first step fails.
  void OpenIt() {
    runner.FailNext(4);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(server->Post(kCompletion).status, 500);
  }
  // After requests that went well: fewer failures, then.
  void BreakIt() {
    runner.FailNext(4);
    while (server->Post(kCompletion).status == 500) continue;
  }
  void ExpectMetric(const std::string& line) const {
    const std::string text = server->Get("/metrics").body;
    EXPECT_NE(text.find("\n" + line + "\n"), std::string::npos) << line << "\n" << text;
  }
  void ExpectAllPagesFree() {
    const EngineStats stats = loop.Stats();
    EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, stats.num_pages);
    EXPECT_EQ(stats.accepted, stats.finished + stats.cancelled + stats.failed);
    EXPECT_EQ(runner.violation(), "");
  }

  ManualClock clock;
  FakeRunner runner{Limits()};
  // Outages are the breaker's business here, however many steps they last.
  EngineLoop loop{runner, SchedulerConfig{.max_step_failures = 1000}};
  WatchedEngine engine{loop};
  std::unique_ptr<AnswerCache> cache;
  std::unique_ptr<TestServer> server;
};

TEST_F(BreakerRoutes, RefusesAtOnceAfterFailures) {
  Serve();
  EXPECT_EQ(server->Get("/ready").status, 200);
  OpenIt();
  const int64_t num_steps = runner.num_steps();
  clock.Move(seconds(3));
  for (const char* path : {"/v1/completions", "/generate"}) {
    const RawResponse response = server->Post(kCompletion, path);
    EXPECT_EQ(response.status, 503) << path;
    EXPECT_EQ(response.Header("retry-after"), "5");
    const json error = json::parse(response.body)["error"];
    EXPECT_EQ(error["type"], "server_error");
    EXPECT_EQ(error["code"], "circuit_open");
    EXPECT_EQ(error["message"],
              "the engine is failing (4 of the last 4 requests did), so none are taken for another "
              "5 s");
  }
  EXPECT_EQ(runner.num_steps(), num_steps) << "the engine was left alone";
  ExpectAllPagesFree();
}

TEST_F(BreakerRoutes, TellsReadinessButStaysAlive) {
  Serve();
  OpenIt();
  const RawResponse ready = server->Get("/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.Header("retry-after"), "8");
  EXPECT_EQ(server->Get("/health").status, 200);
  EXPECT_EQ(server->Get("/v1/models").status, 200);
  clock.Move(seconds(8));
  EXPECT_EQ(server->Get("/ready").status, 200) << "or no probe would come";
}

TEST_F(BreakerRoutes, TellsAWrongRequestThatItIsWrongWhileOpen) {
  Serve("sorry");
  OpenIt();
  EXPECT_EQ(server->Post(R"({"prompt":"abc","temperature":9})").status, 400);
  EXPECT_EQ(server->Post(R"({"prompt":"abc","model":"other"})").status, 404);
}

TEST_F(BreakerRoutes, ClosesWhenProbesSucceed) {
  Serve();
  OpenIt();
  ExpectMetric("tandem_breaker_state{state=\"open\"} 1");
  EXPECT_EQ(server->Post(kCompletion).status, 503);
  clock.Move(seconds(8));
  ExpectMetric("tandem_breaker_state{state=\"half_open\"} 1");
  EXPECT_EQ(server->Post(kCompletion).status, 200);
  ExpectMetric("tandem_breaker_state{state=\"half_open\"} 1");
  EXPECT_EQ(server->Post(kCompletion).status, 200);
  ExpectMetric("tandem_breaker_state{state=\"closed\"} 1");
  ExpectMetric("tandem_breaker_state{state=\"open\"} 0");
  for (const char* state : {"closed", "open", "half_open"}) {
    ExpectMetric("tandem_breaker_transitions_total{to=\"" + std::string(state) + "\"} 1");
  }
  ExpectMetric("tandem_breaker_refused_total 1");
  ExpectMetric("tandem_breaker_failures_total 4");
  ExpectMetric("tandem_degraded_answers_total 0");
  ExpectAllPagesFree();
}

TEST_F(BreakerRoutes, OpensForLongerWhenAProbeFails) {
  Serve();
  OpenIt();
  clock.Move(seconds(8));
  runner.FailNext(1);
  EXPECT_EQ(server->Post(kCompletion).status, 500);
  const RawResponse refused = server->Post(kCompletion);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.Header("retry-after"), "16");
}

TEST_F(BreakerRoutes, LetsOnlyProbesThroughAndGivesThePlaceOfOneThatLeft) {
  Serve();
  OpenIt();
  clock.Move(seconds(8));
  const std::string endless = R"({"prompt":"a","max_tokens":500,"ignore_eos":true,"stream":true})";
  std::mutex held;
  std::unique_lock hold(held);
  runner.SetOnStep([&](const StepBatch&) { const std::lock_guard wait(held); });
  {
    RawClient first = server->Connect();
    RawClient second = server->Connect();
    first.Send(TestServer::PostBytes(endless));
    second.Send(TestServer::PostBytes(endless));
    ASSERT_TRUE(WaitUntil([&] { return loop.Stats().accepted == 6; }));
    const RawResponse refused = server->Post(kCompletion);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.Header("retry-after"), "1");
  }
  ASSERT_TRUE(WaitUntil([&] { return engine.num_cancelled == 2; }));
  hold.unlock();
  ExpectMetric("tandem_breaker_state{state=\"half_open\"} 1");
  EXPECT_EQ(server->Post(kCompletion).status, 200);
  EXPECT_EQ(server->Post(kCompletion).status, 200);
  ExpectMetric("tandem_breaker_state{state=\"closed\"} 1");
  ExpectAllPagesFree();
}

TEST_F(BreakerRoutes, CountsNeitherWrongRequestsNorFullQueuesNorClientsThatLeave) {
  FakeEngine fake;
  fake.max_requests = 1;
  fake.endless = true;
  fake.Allow(FakeEngine::Phase::kQueued);
  const TestServer other({.engine = &fake, .breaker = {.min_requests = 1}});
  RawClient waiting = other.Connect();
  waiting.Send(TestServer::PostBytes(kCompletion));
  ASSERT_TRUE(fake.WaitForLive(1));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(other.Post(kCompletion).status, 429);
    EXPECT_EQ(other.Post("{").status, 400);
  }
  waiting.Close();
  ASSERT_TRUE(fake.WaitForCancelled(1));
  EXPECT_NE(other.Get("/metrics").body.find("\ntandem_breaker_failures_total 0\n"),
            std::string::npos);
  EXPECT_EQ(other.Get("/ready").status, 200);
}

TEST_F(BreakerRoutes, CountsARequestOfManyChoicesOnce) {
  Serve();
  runner.FailNext(1);
  EXPECT_EQ(server->Post(R"({"prompt":["a","b"],"n":4,"max_tokens":4})").status, 500);
  ExpectMetric("tandem_breaker_failures_total 1");
  ExpectMetric("tandem_breaker_state{state=\"closed\"} 1");
}

TEST_F(BreakerRoutes, CountsAStreamThatFailsInTheMiddle) {
  Serve();
  int num_left = 3;
  runner.SetOnStep([&](const StepBatch&) {
    if (--num_left == 0) runner.FailNext(1);
  });
  const RawResponse response =
      server->Post(R"({"prompt":"a","max_tokens":9,"ignore_eos":true,"stream":true})");
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find("\"error\""), std::string::npos);
  ExpectMetric("tandem_breaker_failures_total 1");
}

TEST_F(BreakerRoutes, CountsRequestsThatAStoppedEngineRefuses) {
  FakeRunner broken(Limits());
  EngineLoop stopped(broken, SchedulerConfig{.max_step_failures = 1});
  LoopEngine stopped_engine(stopped);
  const TestServer down({.max_context = 512,
                         .engine = &stopped_engine,
                         .breaker = {.min_requests = 2},
                         .degraded_answer = "sorry"});
  broken.FailNext(1);
  EXPECT_EQ(down.Post(kCompletion).status, 500);
  EXPECT_EQ(down.Post(kCompletion).status, 503);
  EXPECT_EQ(down.Post(kCompletion).status, 200) << "degraded";
  EXPECT_EQ(down.Get("/ready").status, 503) << "for good";
}

// The degraded answer.

TEST_F(BreakerRoutes, AnswersEveryRouteWithTheDegradedAnswerInItsForm) {
  Serve(kDegraded);
  OpenIt();
  const RawResponse completion = server->Post(R"({"prompt":["a","b"],"n":2,"logprobs":1})");
  EXPECT_EQ(completion.status, 200);
  EXPECT_EQ(completion.Header("x-tandem-degraded"), "1");
  const json body = json::parse(completion.body);
  EXPECT_EQ(body["object"], "text_completion");
  ASSERT_EQ(body["choices"].size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(body["choices"][i]["index"], i);
    EXPECT_EQ(body["choices"][i]["text"], kDegraded);
    EXPECT_EQ(body["choices"][i]["finish_reason"], "stop");
  }
  EXPECT_EQ(body["usage"]["total_tokens"], 0);

  const RawResponse chat =
      server->Post(R"({"messages":[{"role":"user","content":"hi"}]})", "/v1/chat/completions");
  EXPECT_EQ(chat.status, 200);
  EXPECT_EQ(chat.Header("x-tandem-degraded"), "1");
  const json choice = json::parse(chat.body)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], kDegraded);
  EXPECT_EQ(choice["finish_reason"], "stop");

  const RawResponse generated = server->Post(R"({"prompt":"hi"})", "/generate");
  EXPECT_EQ(generated.status, 200);
  EXPECT_EQ(generated.Header("x-tandem-degraded"), "1");
  const json plain = json::parse(generated.body);
  EXPECT_EQ(plain["text"], kDegraded);
  EXPECT_EQ(plain["degraded"], true);
  EXPECT_EQ(plain["tokens"], 0);
  ExpectMetric("tandem_breaker_refused_total 3");
  ExpectMetric("tandem_degraded_answers_total 3");
  EXPECT_EQ(server->Get("/ready").status, 200) << "it has an answer";
}

TEST_F(BreakerRoutes, StreamsTheDegradedAnswer) {
  Serve(kDegraded);
  OpenIt();
  const RawResponse chat = server->Post(
      R"({"messages":[{"role":"user","content":"hi"}],"stream":true,
          "stream_options":{"include_usage":true}})",
      "/v1/chat/completions");
  EXPECT_EQ(chat.Header("x-tandem-degraded"), "1");
  EXPECT_TRUE(chat.Header("content-type").starts_with("text/event-stream"));
  const std::vector<json> events = Events(chat);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(events[1]["choices"][0]["delta"]["content"], kDegraded);
  EXPECT_TRUE(events[1]["choices"][0]["finish_reason"].is_null());
  EXPECT_EQ(events[2]["choices"][0]["delta"], json::object());
  EXPECT_EQ(events[2]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(events[2]["usage"].is_null());
  EXPECT_TRUE(events[3]["choices"].empty());
  EXPECT_EQ(events[3]["usage"]["total_tokens"], 0);

  const std::vector<json> completion =
      Events(server->Post(R"({"prompt":"hi","n":2,"stream":true})"));
  ASSERT_EQ(completion.size(), 4u);
  EXPECT_EQ(completion[0]["choices"][0]["text"], kDegraded);
  EXPECT_EQ(completion[1]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(completion[2]["choices"][0]["index"], 1);
}

// The latest answer to the very prompt goes before the fixed text.
TEST_F(BreakerRoutes, GivesAnAnswerAgainThatItGaveBefore) {
  cache = std::make_unique<AnswerCache>(1 << 20);
  Serve(kDegraded);
  const auto ask = [this](const std::string& fields, int max_tokens = 4) {
    const std::string limit = R"({"max_tokens":)" + std::to_string(max_tokens);
    return json::parse(server->Post(limit + R"(,"seed":1,)" + fields + "}").body);
  };
  const json whole = ask(R"("prompt":"one")");
  const std::vector<json> streamed =
      Events(server->Post(R"({"max_tokens":4,"seed":1,"prompt":"two","stream":true})"));
  std::string streamed_text;
  for (const json& event : streamed) streamed_text += event["choices"][0]["text"];
  ask(R"("prompt":"three","stop":"x")");  // what it would say without the stop is not known
  BreakIt();
  const json again = ask(R"("prompt":["one","two","other"],"n":2)");
  ASSERT_EQ(again["choices"].size(), 6u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(again["choices"][i]["text"], whole["choices"][0]["text"]);
    EXPECT_EQ(again["choices"][i]["finish_reason"], whole["choices"][0]["finish_reason"]);
    EXPECT_EQ(again["choices"][2 + i]["text"], streamed_text);
    EXPECT_EQ(again["choices"][4 + i]["text"], kDegraded);
    EXPECT_EQ(again["choices"][4 + i]["index"], 4 + i);
  }
  EXPECT_EQ(ask(R"("prompt":"three")")["choices"][0]["text"], kDegraded);
  EXPECT_EQ(ask(R"("prompt":"one")", 3)["choices"][0]["text"], kDegraded) << "too long";
  EXPECT_EQ(ask(R"("prompt":"one","stop":"x")")["choices"][0]["text"], kDegraded);
  EXPECT_EQ(ask(R"("prompt":"one","cache_salt":"mine")")["choices"][0]["text"], kDegraded)
      << "somebody else's";
}

TEST_F(BreakerRoutes, WithoutATextOnlyWhatWasAnsweredBeforeIsAnswered) {
  cache = std::make_unique<AnswerCache>(1 << 20);
  Serve();
  const std::string known = R"({"prompt":"one","max_tokens":4})";
  const RawResponse before = server->Post(known);
  BreakIt();
  const RawResponse after = server->Post(known);
  EXPECT_EQ(after.status, 200);
  EXPECT_EQ(after.Header("x-tandem-degraded"), "1");
  EXPECT_EQ(json::parse(after.body)["choices"], json::parse(before.body)["choices"]);
  EXPECT_EQ(server->Post(R"({"prompt":"two","max_tokens":4})").status, 503);
  EXPECT_EQ(server->Post(R"({"prompt":["one","two"],"max_tokens":4})").status, 503);
  ExpectMetric("tandem_degraded_answers_total 1");
}

TEST(AnswerCache, DropsTheOldestWhenItIsFull) {
  const GenerationRequest ask{.sampling = {.max_tokens = 10}};
  ASSERT_TRUE(AnswerCache::Takes(ask));
  AnswerCache room_for_two(1000);
  const auto put = [&](TokenId id, const std::string& text) {
    room_for_two.Put(0, {id}, {.text = text, .finish_reason = "stop", .num_tokens = 1});
  };
  const auto text = [&](TokenId id) {
    const CachedAnswer* answer = room_for_two.Find(0, {id}, ask);
    return answer == nullptr ? "" : answer->text.substr(0, 1);
  };
  const std::string padding(150, '.');
  put(1, "a" + padding);
  put(2, "b" + padding);
  put(1, "c" + padding);  // is younger than b now
  EXPECT_EQ(text(1) + text(2), "cb");
  put(3, "d" + padding);
  EXPECT_EQ(text(1) + text(2) + text(3), "cd");
  put(4, std::string(1000, 'e'));
  EXPECT_EQ(text(1) + text(3) + text(4), "cd") << "larger than the whole";
}

TEST_F(BreakerRoutes, MarksNoOrdinaryAnswer) {
  Serve(kDegraded);
  const RawResponse response = server->Post(R"({"prompt":"hi","max_new_tokens":2})", "/generate");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("x-tandem-degraded"), "");
  EXPECT_FALSE(json::parse(response.body).contains("degraded"));
}

}  // namespace
}  // namespace tandem
