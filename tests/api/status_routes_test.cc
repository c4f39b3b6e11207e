#include "api/routes/status_routes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

using nlohmann::json;

TEST(StatusRoutes, ListsTheModelUnderEachOfItsNames) {
  TestServer server;
  const json body = json::parse(server.Get("/v1/models").body);
  EXPECT_EQ(body["object"], "list");
  ASSERT_EQ(body["data"].size(), 2u);
  EXPECT_EQ(body["data"][0], json::parse(R"({"id":"tiny","object":"model","created":1700000000,
      "owned_by":"tandem","root":"tiny","parent":null,"max_model_len":10000000,
      "capabilities":["completion","chat"]})"));
  EXPECT_EQ(json::parse(server.Get("/models").body), body) << "also without /v1";
}

TEST(StatusRoutes, FindsOneModelByName) {
  TestServer server;
  EXPECT_EQ(json::parse(server.Get("/v1/models/alias").body)["id"], "alias");
  EXPECT_EQ(json::parse(server.Get("/v1/models/%61lias").body)["id"], "alias");
  const RawResponse missing = server.Get("/v1/models/other");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(json::parse(missing.body)["error"]["code"], "model_not_found");
}

TEST(StatusRoutes, TellsHealthAndReadiness) {
  TestServer server;
  EXPECT_EQ(json::parse(server.Get("/health").body),
            json::parse(R"({"status":"ok","queue_size":0,"gpu_memory":null})"));
  EXPECT_EQ(server.Get("/ready").status, 200);
  server.status.draining = true;
  EXPECT_EQ(server.Get("/health").status, 200) << "alive while it drains";
  const RawResponse ready = server.Get("/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_FALSE(ready.Header("retry-after").empty());
  server.engine.SetHealthy(false);
  EXPECT_EQ(server.Get("/health").status, 503);
}

TEST(StatusRoutes, TellsTheInstructionSet) {
  TestServer server;
  EXPECT_EQ(json::parse(server.Get("/version").body)["instruction_set"], "portable");
}

TEST(StatusRoutes, ServesMetrics) {
  TestServer server;
  EXPECT_EQ(server.Post(R"({"prompt":"a"})").status, 200);
  const RawResponse response = server.Get("/metrics");
  EXPECT_TRUE(response.Header("content-type").starts_with("text/plain; version=0.0.4"));
  const char* lines[] = {
      "\ntandem_prompt_tokens_total 1000\n",
      "\ntandem_kv_usage_ratio 0.25\n",
      "\ntandem_requests_waiting 0\n",
      "\ntandem_completions_finished_total{reason=\"stop\"} 1\n",
      "\ntandem_request_seconds_count 1\n",
      "\ntandem_time_to_first_token_seconds_count 0\n",
      "\ntandem_http_requests_total{code=\"200\",route=\"/v1/completions\"} 1\n",
      "\ntandem_model_info{model=\"tiny\"} 1\n",
      "# TYPE tandem_prompt_tokens_total counter\n",
  };
  for (const char* line : lines) {
    EXPECT_NE(response.body.find(line), std::string::npos) << line << response.body;
  }
}

TEST(ServerMetrics, GivesVllmsNamesToo) {
  ServerMetrics metrics("tiny", ServerMetrics::Names::kOwnAndVllm);
  metrics.OnFirstToken(std::chrono::milliseconds(30));
  for (const FinishReason reason : {FinishReason::kStop, FinishReason::kCancelled,
                                    FinishReason::kDeadline, FinishReason::kFailed}) {
    metrics.CountFinished(reason, std::chrono::seconds(1));
  }
  const std::string text = metrics.Render({.num_running = 3, .num_waiting = 2, .num_pages = 4});
  const char* lines[] = {
      "\ntandem_requests_running 3\n",
      "\nvllm:num_requests_running{model_name=\"tiny\",engine=\"0\"} 3\n",
      "\nvllm:num_requests_waiting{model_name=\"tiny\",engine=\"0\"} 2\n",
      "\nvllm:kv_cache_usage_perc{model_name=\"tiny\",engine=\"0\"} 1\n",
      "\nvllm:time_to_first_token_seconds_count{model_name=\"tiny\",engine=\"0\"} 1\n",
      "\nvllm:request_success_total{finished_reason=\"stop\",model_name=\"tiny\",engine=\"0\"} 1\n",
      "\nvllm:request_success_total{finished_reason=\"abort\",model_name=\"tiny\",engine=\"0\"} "
      "2\n",
  };
  for (const char* line : lines) EXPECT_NE(text.find(line), std::string::npos) << line << text;
  EXPECT_EQ(ServerMetrics("tiny").Render({}).find("vllm:"), std::string::npos);
}

TEST(Router, AnswersUnknownPathsAndMethodsInJson) {
  TestServer server;
  const RawResponse missing = server.Get("/nothing");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(json::parse(missing.body)["error"]["code"], "not_found");
  const RawResponse wrong = server.Get("/v1/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.Header("allow"), "POST, OPTIONS");
  EXPECT_EQ(json::parse(wrong.body)["error"]["code"], "method_not_allowed");
  EXPECT_EQ(server.Post("{}", "/health").Header("allow"), "GET, HEAD, OPTIONS");
}

TEST(Router, AnswersOptions) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send(
      "OPTIONS /v1/completions HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  const RawResponse one = client.ReadResponse();
  EXPECT_EQ(one.status, 204);
  EXPECT_EQ(one.Header("allow"), "POST, OPTIONS");
  EXPECT_EQ(client.ReadResponse().Header("allow"), "POST, GET, HEAD, OPTIONS");
}

TEST(Router, NeedsAKeyForAllButThePublicRoutes) {
  TestServer server({.keys = {"first", "second"}});
  for (const char* path : {"/health", "/ready", "/version", "/v1/models", "/models/tiny"}) {
    EXPECT_EQ(server.Get(path).status, 200) << path;
  }
  for (const char* path : {"/metrics", "/nothing", "/v1/completions", "/tokenizer_info"}) {
    const RawResponse response = server.Get(path);
    EXPECT_EQ(response.status, 401) << path;
    EXPECT_EQ(json::parse(response.body)["error"]["code"], "invalid_api_key");
  }
  EXPECT_EQ(server.Get("/metrics", "Authorization: Bearer second\r\n").status, 200);
  EXPECT_EQ(server.Get("/metrics", "authorization: bearer first\r\n").status, 200);
  EXPECT_EQ(server.Get("/metrics", "x-api-key: first\r\n").status, 200);
  EXPECT_EQ(server.Get("/metrics", "x-api-key: firs\r\n").status, 401);
  EXPECT_EQ(server.Get("/metrics", "Authorization: Bearer firstx\r\n").status, 401);
  EXPECT_EQ(server.Get("/metrics", "Authorization: Basic first\r\n").status, 401);
}

TEST(Router, RefusesABodyWithoutAKeyBeforeReadingIt) {
  TestServer server({.keys = {"key"}});
  RawClient client = server.Connect();
  client.Send(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      "Content-Length: 1000000\r\n\r\n");
  const RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.Header("connection"), "close");
}

TEST(ApiKeys, KeepsTenantsApart) {
  const ApiKeys keys({"a", "b"});
  HttpRequest a{.headers = {{"x-api-key", "a"}}};
  HttpRequest b{.headers = {{"x-api-key", "b"}}};
  const uint64_t salt_a = keys.Authenticate(a)->salt;
  const uint64_t salt_b = keys.Authenticate(b)->salt;
  EXPECT_NE(salt_a, salt_b);
  EXPECT_NE(CombineSalt(salt_a, "x"), CombineSalt(salt_b, "x"));
  EXPECT_NE(CombineSalt(salt_a, "x"), salt_a);
  EXPECT_EQ(CombineSalt(salt_a, ""), salt_a);
  EXPECT_EQ(ApiKeys({}).Authenticate(a)->salt, 0u);
}

TEST(ApiKeys, RefuseWhatNoHeaderCarries) {
  for (const char* key : {"", "a b", "tab\t", "caf\xc3\xa9", "line\n", "\x7f"}) {
    EXPECT_THROW(ApiKeys({"good", key}), ConfigError) << key;
  }
}

TEST(PercentDecode, DecodesWhatIsWellFormed) {
  EXPECT_EQ(PercentDecode("a%2Fb%20c"), "a/b c");
  EXPECT_EQ(PercentDecode("100%"), "100%");
  EXPECT_EQ(PercentDecode("%zz%4"), "%zz%4");
  EXPECT_EQ(PercentDecode("%41"), "A");
}

}  // namespace
}  // namespace tandem
