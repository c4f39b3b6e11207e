#include "api/routes/text_routes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/routes/generate.h"
#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

using nlohmann::json;

json Answer(const RawResponse& response) {
  EXPECT_EQ(response.status, 200) << response.body;
  return json::parse(response.body);
}

TEST(TextRoutes, TokenizesAPrompt) {
  TestServer server({.max_context = 10});
  EXPECT_EQ(Answer(server.Post(R"({"prompt":"hi"})", "/tokenize")),
            json::parse(R"({"count":3,"max_model_len":10,"tokens":[256,104,105],
                "token_strs":null})"));
  const json strings = Answer(server.Post(
      R"({"prompt":"hi","add_special_tokens":false,"return_token_strs":true})", "/tokenize"));
  EXPECT_EQ(strings["token_strs"], json::parse(R"(["h","i"])"));
  EXPECT_EQ(Answer(server.Post(R"({"prompt":"longer than the context"})", "/tokenize"))["count"],
            24);
}

TEST(TextRoutes, TokenizesAConversationAsChatDoes) {
  TestServer server;
  const json body = Answer(
      server.Post(R"({"model":"tiny","messages":[{"role":"user","content":"hi"}]})", "/tokenize"));
  EXPECT_EQ(body["count"], 19);
  EXPECT_EQ(Answer(server.Post(json{{"tokens", body["tokens"]}}.dump(), "/detokenize"))["prompt"],
            "[user]hi[assistant]");
}

TEST(TextRoutes, DetokenizesSpecialTokensToo) {
  TestServer server;
  EXPECT_EQ(Answer(server.Post(R"({"tokens":[256,104]})", "/detokenize"))["prompt"], "<s>h");
  EXPECT_EQ(Answer(server.Post(R"({"tokens":[]})", "/detokenize"))["prompt"], "");
}

TEST(TextRoutes, NamesTheFieldAtFault) {
  TestServer server;
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "prompt"},
      {R"({"prompt":"a","messages":[]})", "prompt"},
      {R"({"prompt":["a"]})", "prompt"},
      {R"({"messages":[]})", "messages"},
      {R"({"prompt":"a","add_special_tokens":1})", "add_special_tokens"},
  };
  for (const auto& [body, param] : cases) {
    const RawResponse response = server.Post(body, "/tokenize");
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_EQ(json::parse(response.body)["error"]["param"], param) << response.body;
  }
  for (const char* body : {"{}", R"({"tokens":[258]})", R"({"tokens":[-1]})"}) {
    const RawResponse response = server.Post(body, "/detokenize");
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_EQ(json::parse(response.body)["error"]["param"], "tokens");
  }
  EXPECT_EQ(server.Post(R"({"model":"other","prompt":"a"})", "/tokenize").status, 404);
}

TEST(TextRoutes, DescribesTheTokenizer) {
  TestServer server;
  const json info = Answer(server.Get("/tokenizer_info"));
  EXPECT_EQ(info["bos_token"], "<s>");
  EXPECT_EQ(info["eos_token_id"], 257);
  EXPECT_TRUE(info["pad_token"].is_null());
  EXPECT_EQ(info["vocab_size"], 258);
  EXPECT_EQ(info["chat_template"], kTestChatTemplate);
  TestServer plain({.chat_template = nullptr});
  EXPECT_TRUE(Answer(plain.Get("/tokenizer_info"))["chat_template"].is_null());
}

TEST(Generate, AnswersInItsPlainForm) {
  TestServer server;
  const RawResponse response = server.Post(R"({"prompt":"hi","max_new_tokens":3})", "/generate");
  const json body = Answer(response);
  EXPECT_EQ(body.size(), 4u);
  EXPECT_EQ(body["text"], "hel");
  EXPECT_EQ(body["tokens"], 3);
  EXPECT_EQ(body["request_id"], std::string(response.Header("x-request-id")));
  EXPECT_GT(body["latency_ms"], 0.0);
  const SamplingParams& sampling = server.engine.requests()[0]->sampling;
  EXPECT_EQ(sampling.temperature, 0.8f);
  EXPECT_EQ(sampling.top_p, 0.9f);
  Answer(server.Post(R"({"prompt":"hi"})", "/generate"));
  EXPECT_EQ(server.engine.requests()[1]->sampling.max_tokens, 100);
}

TEST(Generate, LimitsThePromptInCharacters) {
  TestServer server;
  std::string prompt;
  for (int64_t i = 0; i < GenerateRoute::kMaxPromptCharacters; ++i) prompt += "\xe4\xbd\xa0";
  EXPECT_EQ(server.Post(json{{"prompt", prompt}}.dump(), "/generate").status, 200);
  prompt += "a";
  const RawResponse response = server.Post(json{{"prompt", prompt}}.dump(), "/generate");
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("2049"), std::string::npos) << response.body;
  EXPECT_EQ(server.Post(R"({"prompt":"a","stream":true})", "/generate").status, 400);
}

TEST(Generate, Says503WhereOthersSay429) {
  TestServer server;
  server.engine.max_requests = 0;
  EXPECT_EQ(server.Post(R"({"prompt":"a"})").status, 429);
  const RawResponse response = server.Post(R"({"prompt":"a"})", "/generate");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.Header("retry-after"), "3") << "2500 queued tokens at 1000 a second";
}

}  // namespace
}  // namespace tandem
