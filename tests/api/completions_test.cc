#include "api/routes/completions.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/api/support/sse_events.h"
#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

using nlohmann::json;

TEST(Completions, AnswersInOneBody) {
  TestServer server;
  const RawResponse response = server.Post(R"({"model":"alias","prompt":"hi"})");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.Header("content-type"), "application/json");
  const json body = json::parse(response.body);
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["model"], "tiny");
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("cmpl-"));
  EXPECT_GT(body["created"].get<int64_t>(), 1'600'000'000);
  ASSERT_EQ(body["choices"].size(), 1u);
  EXPECT_EQ(body["choices"][0],
            json::parse(R"({"index":0,"text":"hello","logprobs":null,"finish_reason":"stop"})"));
  EXPECT_EQ(body["usage"], json::parse(R"({"prompt_tokens":3,"completion_tokens":6,
      "total_tokens":9,"prompt_tokens_details":{"cached_tokens":0}})"));
}

TEST(Completions, AnswersWithoutTheVersionInThePath) {
  TestServer server;
  EXPECT_EQ(server.Post(R"({"prompt":"hi"})", "/completions").status, 200);
}

TEST(Completions, StopsAtMaxTokens) {
  TestServer server;
  const json body = json::parse(server.Post(R"({"prompt":"hi","max_tokens":3})").body);
  EXPECT_EQ(body["choices"][0]["text"], "hel");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["completion_tokens"], 3);
}

TEST(Completions, HonoursIgnoreEosExactly) {
  TestServer server;
  const json body =
      json::parse(server.Post(R"({"prompt":"a","max_tokens":50,"ignore_eos":true})").body);
  EXPECT_EQ(body["usage"]["completion_tokens"], 50);
}

TEST(Completions, StreamsEventsInOpenAisForm) {
  TestServer server;
  const RawResponse response = server.Post(R"({"prompt":"hi","stream":true})");
  EXPECT_EQ(response.Header("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(response.Header("cache-control"), "no-cache");
  EXPECT_EQ(response.Header("x-accel-buffering"), "no");
  const std::vector<json> events = Events(response);
  ASSERT_GE(events.size(), 2u);
  std::string text;
  for (const json& event : events) {
    EXPECT_EQ(event["id"], events[0]["id"]);
    EXPECT_EQ(event["object"], "text_completion");
    EXPECT_FALSE(event.contains("usage"));
    ASSERT_EQ(event["choices"].size(), 1u);
    text += event["choices"][0]["text"].get<std::string>();
    const bool last = &event == &events.back();
    EXPECT_EQ(event["choices"][0]["finish_reason"].is_null(), !last);
  }
  EXPECT_EQ(text, "hello");
  EXPECT_EQ(events.back()["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events.back()["choices"][0]["text"], "");
}

TEST(Completions, SendsUsageLastAndNullBefore) {
  TestServer server;
  server.engine.num_cached = 2;
  const auto events = Events(
      server.Post(R"({"prompt":"hi","stream":true,"stream_options":{"include_usage":true}})"));
  ASSERT_GE(events.size(), 3u);
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    ASSERT_TRUE(events[i].contains("usage"));
    EXPECT_TRUE(events[i]["usage"].is_null());
  }
  EXPECT_TRUE(events.back()["choices"].empty());
  EXPECT_EQ(events.back()["usage"]["total_tokens"], 9);
  EXPECT_EQ(events.back()["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
}

TEST(Completions, SendsUsageInEveryChunkWhenAsked) {
  TestServer server;
  const auto events = Events(server.Post(
      R"({"prompt":"hi","stream":true,
          "stream_options":{"include_usage":true,"continuous_usage_stats":true}})"));
  for (const json& event : events) EXPECT_EQ(event["usage"]["prompt_tokens"], 3);
}

TEST(Completions, NeverSplitsACharacterBetweenEvents) {
  TestServer server;
  server.engine.text = "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80 \xff!";
  std::string text;
  for (const json& event : Events(server.Post(R"({"prompt":"a","stream":true})"))) {
    text += event["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80 \xef\xbf\xbd!");
}

TEST(Completions, CancelsTheEngineAtAStopString) {
  TestServer server;
  server.engine.endless = true;
  const json body = json::parse(
      server.Post(R"({"prompt":"a","max_tokens":1000000,"stop":["never","lohe"]})").body);
  EXPECT_EQ(body["choices"][0]["text"], "hel");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  ASSERT_TRUE(server.engine.WaitForCancelled(1));
  EXPECT_EQ(server.engine.cancelled()[0].reason, FinishReason::kStop);
}

TEST(Completions, AnswersSeveralPromptsAndChoicesByIndex) {
  TestServer server;
  const json body =
      json::parse(server.Post(R"({"prompt":[[104],[105,106]],"n":2,"echo":true})").body);
  ASSERT_EQ(body["choices"].size(), 4u);
  const char* texts[] = {"hhello", "hhello", "ijhello", "ijhello"};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(body["choices"][i]["index"], i);
    EXPECT_EQ(body["choices"][i]["text"], texts[i]);
  }
  EXPECT_EQ(body["usage"]["prompt_tokens"], 3) << "each prompt once";
  EXPECT_EQ(body["usage"]["completion_tokens"], 24);
  const auto requests = server.engine.requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[1]->sampling.choice, 1u);
  EXPECT_EQ(requests[0]->sampling.seed, requests[1]->sampling.seed);
  EXPECT_NE(requests[0]->id, requests[3]->id);
}

TEST(Completions, GivesLogprobsInTheLegacyForm) {
  TestServer server;
  const json body = json::parse(
      server.Post(R"({"prompt":[104,105],"max_tokens":1,"logprobs":2,"echo":true})").body);
  const json& logprobs = body["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], json::parse(R"(["h","i","h"])"));
  EXPECT_EQ(logprobs["token_logprobs"], json::parse("[null,-1,-0.5]"));
  EXPECT_EQ(logprobs["text_offset"], json::parse("[0,1,2]"));
  EXPECT_TRUE(logprobs["top_logprobs"][0].is_null());
  EXPECT_EQ(logprobs["top_logprobs"][2], json::parse(R"({"h":-0.5,"B":-1.5})"));
}

TEST(Completions, EvaluatesOnlyThePromptForNoTokens) {
  TestServer server;
  const json body =
      json::parse(server.Post(R"({"prompt":"hi","max_tokens":0,"logprobs":0,"echo":true})").body);
  EXPECT_EQ(body["choices"][0]["text"], "hi");
  EXPECT_EQ(body["choices"][0]["logprobs"]["tokens"], json::parse(R"(["<s>","h","i"])"));
  EXPECT_EQ(body["usage"]["completion_tokens"], 0);
}

TEST(Completions, GivesTokenIdsWhereAsked) {
  TestServer server;
  const json ask = {{"prompt", {{104, 105}, {104}}}, {"return_token_ids", true}};
  const json whole = json::parse(server.Post(ask.dump()).body);
  const json& choices = whole["choices"];
  EXPECT_EQ(choices[0]["prompt_token_ids"], json({104, 105}));
  EXPECT_EQ(choices[1]["prompt_token_ids"], json({104}));
  const json ids = choices[0]["token_ids"];
  ASSERT_EQ(ids.size(), 6u) << "with the one that ended it";
  EXPECT_EQ(ids[0], 'h');
  EXPECT_EQ(ids[4], 'o');
  EXPECT_EQ(whole["usage"]["completion_tokens"], 12);
  const json without = json::parse(server.Post(R"({"prompt":"a"})").body);
  EXPECT_FALSE(without["choices"][0].contains("token_ids"));
}

// A character of three tokens: its first ids come before its text.
TEST(Completions, StreamsTokenIdsAsTheyCome) {
  TestServer server;
  server.engine.text = "\xe4\xbd\xa0!";
  std::vector<int64_t> ids;
  int num_prompts = 0;
  for (const json& event :
       Events(server.Post(R"({"prompt":"a","stream":true,"return_token_ids":true})"))) {
    const json& choice = event["choices"][0];
    num_prompts += choice.contains("prompt_token_ids") ? 1 : 0;
    if (!choice.contains("token_ids")) continue;
    for (const json& id : choice["token_ids"]) ids.push_back(id);
  }
  ASSERT_EQ(ids.size(), 5u) << "with the one that ended it";
  ids.pop_back();
  EXPECT_EQ(ids, (std::vector<int64_t>{0xe4, 0xbd, 0xa0, '!'}));
  EXPECT_EQ(num_prompts, 1);
}

TEST(Completions, StreamsLogprobsThatAddUpToTheWhole) {
  TestServer server;
  std::vector<std::string> tokens;
  for (const json& event : Events(server.Post(R"({"prompt":"a","stream":true,"logprobs":1})"))) {
    const json& logprobs = event["choices"][0]["logprobs"];
    if (logprobs.is_null()) continue;
    for (const json& token : logprobs["tokens"]) tokens.push_back(token);
  }
  EXPECT_EQ(tokens, (std::vector<std::string>{"h", "e", "l", "l", "o"}));
}

struct ErrorCase {
  const char* body;
  int status;
  const char* param;  // null: null
  const char* code;   // null: null
};

TEST(Completions, AnswersErrorsInOpenAisForm) {
  TestServer server({.max_context = 100});
  const ErrorCase cases[] = {
      {"nonsense", 400, nullptr, nullptr},
      {R"({"prompt":"a","temperature":-1})", 400, "temperature", nullptr},
      {R"({"prompt":"a","model":"other"})", 404, "model", "model_not_found"},
      {R"({"prompt":"a","max_tokens":99})", 400, "prompt", "context_length_exceeded"},
      {R"({"prompt":[258]})", 400, "prompt", nullptr},
      {R"({"prompt":[]})", 400, "prompt", nullptr},
      {R"({"prompt":"a","suffix":"b"})", 400, "suffix", nullptr},
  };
  for (const ErrorCase& c : cases) {
    const RawResponse response = server.Post(c.body);
    EXPECT_EQ(response.status, c.status) << c.body;
    const json error = json::parse(response.body)["error"];
    ASSERT_EQ(error.size(), 4u) << c.body;
    EXPECT_FALSE(error["message"].get<std::string>().empty());
    EXPECT_EQ(error["type"], "invalid_request_error");
    EXPECT_EQ(error["param"], c.param != nullptr ? json(c.param) : json()) << c.body;
    EXPECT_EQ(error["code"], c.code != nullptr ? json(c.code) : json()) << c.body;
  }
}

TEST(Completions, TellsBothNumbersWhenTheContextIsExceeded) {
  TestServer server({.max_context = 100});
  const std::string body = server.Post(R"({"prompt":"abc","max_tokens":200})").body;
  EXPECT_NE(body.find("100 tokens"), std::string::npos);
  EXPECT_NE(body.find("204 were asked for: 4 in the prompt, 200 for the completion"),
            std::string::npos)
      << body;
  const RawResponse huge = server.Post("{\"prompt\":\"" + std::string(10'000, 'a') + "\"}");
  EXPECT_EQ(huge.status, 400);
  EXPECT_NE(huge.body.find("context_length_exceeded"), std::string::npos);
}

TEST(Completions, ShortensTheDefaultToWhatTheContextHasLeft) {
  TestServer server({.max_context = 10});
  server.engine.endless = true;
  const json body = json::parse(server.Post(R"({"prompt":"abcde"})").body);
  EXPECT_EQ(body["usage"]["total_tokens"], 10);
}

TEST(Completions, AsksToRetryWhenTheQueueIsFull) {
  TestServer server;
  server.engine.max_requests = 2;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  const RawResponse response = server.Post(R"({"prompt":"a","n":3})");
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.Header("retry-after"), "3") << "2500 tokens at 1000 a second";
  EXPECT_NE(response.body.find("rate_limit_exceeded"), std::string::npos);
  EXPECT_TRUE(server.engine.WaitForLive(0)) << "the choices that were accepted are cancelled";
}

TEST(Completions, RefusesWhileDraining) {
  TestServer server;
  server.engine.SetDraining();
  const RawResponse response = server.Post(R"({"prompt":"a"})");
  EXPECT_EQ(response.status, 503);
  EXPECT_FALSE(response.Header("retry-after").empty());
}

TEST(Completions, TurnsAFailureIntoAStatusOrAnEvent) {
  TestServer server;
  server.engine.fail_with = FinishReason::kFailed;
  server.engine.fail_message = "logits were not finite";
  const RawResponse whole = server.Post(R"({"prompt":"a"})");
  EXPECT_EQ(whole.status, 500);
  EXPECT_NE(whole.body.find("logits were not finite"), std::string::npos);

  const RawResponse stream = server.Post(R"({"prompt":"a","stream":true})");
  EXPECT_EQ(stream.status, 200);
  EXPECT_TRUE(stream.complete);
  const size_t last = stream.body.rfind("data: ");
  EXPECT_EQ(json::parse(stream.body.substr(last + 6))["error"]["message"],
            "logits were not finite");
  EXPECT_EQ(stream.body.find("[DONE]"), std::string::npos);
}

// A proxy may then ask another server, and a client's library knows that it may try again.
TEST(Completions, AStreamThatFailsBeforeItsFirstTokenHasAStatusOfItsOwn) {
  struct End {
    FinishReason reason;
    int status;
    const char* code;
  };
  for (const End& end : {End{FinishReason::kDrained, 503, "overloaded"},
                         End{FinishReason::kDisplaced, 429, "rate_limit_exceeded"}}) {
    TestServer server;
    server.engine.text = "";
    server.engine.fail_with = end.reason;
    for (const char* body : {R"({"prompt":"a","stream":true})", R"({"prompt":"a"})"}) {
      const RawResponse response = server.Post(body);
      EXPECT_EQ(response.status, end.status);
      EXPECT_EQ(response.Header("retry-after"), "1");
      EXPECT_EQ(response.Header("content-type"), "application/json");
      EXPECT_EQ(json::parse(response.body)["error"]["code"], end.code);
    }
  }
}

// Whether it found no place at once, in vain waited for one, or lost the one that it had.
TEST(Completions, GenerateSaysThatTheServerIsOverloaded) {
  const auto expect_overloaded = [](TestServer& server, const char* why) {
    const RawResponse response = server.Post(R"({"prompt":"a"})", "/generate");
    EXPECT_EQ(response.status, 503) << response.body;
    EXPECT_FALSE(response.Header("retry-after").empty());
    const json error = json::parse(response.body)["error"];
    EXPECT_EQ(error["code"], "overloaded");
    EXPECT_TRUE(error["message"].get<std::string>().starts_with("Server overloaded: the queue "))
        << response.body;
    EXPECT_NE(response.body.find(why), std::string::npos) << response.body;
  };
  TestServer full;
  full.engine.max_requests = 0;
  expect_overloaded(full, "is full with");
  TestServer waiting({.queue_wait = std::chrono::milliseconds(40)});
  waiting.engine.max_requests = 0;
  expect_overloaded(waiting, "is full with");
  TestServer displacing;
  displacing.engine.text = "";
  displacing.engine.fail_with = FinishReason::kDisplaced;
  expect_overloaded(displacing, "a more urgent request took this one's place");
}

TEST(Completions, AStreamShowsNothingBeforeItsFirstTokenOrItsFirstSignOfLife) {
  for (const auto interval : {std::chrono::hours(1), std::chrono::hours(0)}) {
    TestServer server({.limits = {.keep_alive_interval = interval}});
    server.engine.Allow(FakeEngine::Phase::kQueued);
    RawClient client = server.Connect();
    client.Send(TestServer::PostBytes(R"({"prompt":"a","stream":true})"));
    ASSERT_TRUE(server.engine.WaitForLive(1));
    EXPECT_EQ(server.Get("/health").status, 200);  // on the same thread: what could be sent, was
    client.SetNonBlocking();
    EXPECT_FALSE(client.Receive());
    server.engine.Cancel(server.engine.requests().front()->id, FinishReason::kCancelled);
  }
  TestServer server({.limits = {.keep_alive_interval = std::chrono::milliseconds(20)}});
  server.engine.text = "";
  server.engine.fail_with = FinishReason::kDrained;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(R"({"prompt":"a","stream":true})"));
  ASSERT_TRUE(client.ReceiveUntil("text/event-stream"));
  server.engine.Allow(FakeEngine::Phase::kDecode);
  EXPECT_NE(client.ReadResponse().body.find(R"("code":"overloaded")"), std::string::npos);
}

TEST(Completions, KeepsASilentStreamAlive) {
  TestServer server({.limits = {.keep_alive_interval = std::chrono::milliseconds(20)}});
  server.engine.Allow(FakeEngine::Phase::kPrefill);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(R"({"prompt":"a","stream":true})"));
  EXPECT_TRUE(client.ReceiveUntil(": keep-alive\n\n"));
  server.engine.Allow(FakeEngine::Phase::kDecode);
  EXPECT_TRUE(client.ReceiveUntil("data: [DONE]\n\n"));
}

TEST(Completions, WaitsForRoomInTheQueueWhenToldTo) {
  for (const char* body :
       {R"({"prompt":"a","max_tokens":3})", R"({"prompt":"a","max_tokens":3,"stream":true})"}) {
    TestServer server({.queue_wait = std::chrono::seconds(30)});
    server.engine.max_requests = 1;
    server.engine.Allow(FakeEngine::Phase::kQueued);
    RawClient first = server.Connect();
    first.Send(TestServer::PostBytes(body));
    ASSERT_TRUE(server.engine.WaitForLive(1));
    RawClient second = server.Connect();
    second.Send(TestServer::PostBytes(body));
    server.engine.Allow(FakeEngine::Phase::kDecode);
    EXPECT_EQ(first.ReadResponse().status, 200);
    EXPECT_EQ(second.ReadResponse().status, 200);
    EXPECT_EQ(server.engine.requests().size(), 2u);
  }
}

TEST(Completions, SubmitsMoreChoicesThanTheQueueHolds) {
  TestServer server({.queue_wait = std::chrono::seconds(30)});
  server.engine.max_requests = 2;
  const json body = json::parse(server.Post(R"({"prompt":"a","n":7})").body);
  ASSERT_EQ(body["choices"].size(), 7u);
  for (const json& choice : body["choices"]) EXPECT_EQ(choice["text"], "hello");
}

TEST(Completions, RefusesWithAStatusAfterTheWait) {
  for (const char* body : {R"({"prompt":"a"})", R"({"prompt":"a","stream":true})"}) {
    TestServer server({.queue_wait = std::chrono::milliseconds(40)});
    server.engine.max_requests = 0;
    const RawResponse response = server.Post(body);
    EXPECT_EQ(response.status, 429) << response.body;
    EXPECT_NE(response.body.find("2500 ms"), std::string::npos) << response.body;
    EXPECT_EQ(response.Header("retry-after"), "3");
  }
}

TEST(Completions, ForgetsAWaitingRequestWhoseClientLeft) {
  TestServer server({.queue_wait = std::chrono::seconds(30)});
  server.engine.max_requests = 0;
  {
    RawClient client = server.Connect();
    client.Send(TestServer::PostBytes(R"({"prompt":"a"})"));
  }
  EXPECT_EQ(server.Get("/health").status, 200);
  EXPECT_TRUE(server.http().Finish(std::chrono::steady_clock::now() + std::chrono::seconds(20)))
      << "nothing is left running";
}

}  // namespace
}  // namespace tandem
