#include "api/routes/chat.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/api/support/sse_events.h"
#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

using nlohmann::json;

constexpr char kPath[] = "/v1/chat/completions";

// A request with one user's message and more fields.
std::string Ask(const std::string& fields = "") {
  return R"({"messages":[{"role":"user","content":"hi"}])" + (fields.empty() ? "" : "," + fields) +
         "}";
}

json Answer(const TestServer& server, const std::string& body) {
  const RawResponse response = server.Post(body, kPath);
  EXPECT_EQ(response.status, 200) << response.body;
  return json::parse(response.body);
}

// The prompt's text that the engine was given last.
std::string LastPrompt(const TestServer& server) {
  const auto& prompt = server.engine.requests().back()->prompt;
  return std::string(prompt.begin(), prompt.end());
}

TEST(Chat, AnswersInOneBody) {
  TestServer server;
  const json body = Answer(server, Ask(R"("model":"alias")"));
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["model"], "tiny");
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("chatcmpl-"));
  ASSERT_EQ(body["choices"].size(), 1u);
  EXPECT_EQ(body["choices"][0], json::parse(R"({"index":0,"logprobs":null,"finish_reason":"stop",
      "message":{"role":"assistant","content":"hello","refusal":null}})"));
  EXPECT_EQ(LastPrompt(server), "[user]hi[assistant]") << "and no token before it";
  EXPECT_EQ(body["usage"]["prompt_tokens"], 19);
}

TEST(Chat, StreamsRoleContentEndAndUsage) {
  TestServer server;
  const auto events =
      Events(server.Post(Ask(R"("stream":true,"stream_options":{"include_usage":true})"), kPath));
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events[0]["choices"][0]["delta"], json::parse(R"({"role":"assistant","content":""})"));
  std::string text;
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(events[i]["object"], "chat.completion.chunk");
    EXPECT_EQ(events[i]["id"], events[0]["id"]);
    EXPECT_TRUE(events[i].at("usage").is_null());
    const json& choice = events[i]["choices"][0];
    const bool is_end = i + 2 == events.size();
    EXPECT_EQ(choice.at("finish_reason"), is_end ? json("stop") : json());
    if (is_end) {
      EXPECT_EQ(choice["delta"], json::object());
    } else {
      text += choice["delta"].at("content").get<std::string>();
    }
  }
  EXPECT_EQ(text, "hello");
  EXPECT_TRUE(events.back()["choices"].empty());
  EXPECT_EQ(events.back()["usage"]["completion_tokens"], 6);
}

TEST(Chat, AnnouncesTheRoleWithTheFirstTokenAndNotBefore) {
  TestServer server({.limits = {.keep_alive_interval = std::chrono::milliseconds(20)}});
  server.engine.Allow(FakeEngine::Phase::kPrefill);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(Ask(R"("stream":true)"), kPath));
  ASSERT_TRUE(client.ReceiveUntil(": keep-alive\n\n"));
  EXPECT_EQ(client.input().find("assistant"), std::string::npos);
  server.engine.Allow(FakeEngine::Phase::kDecode);
  EXPECT_TRUE(client.ReceiveUntil(R"("delta":{"role":"assistant","content":""})"));
}

TEST(Chat, StreamsAnEmptyAnswerInWholeForm) {
  TestServer server;
  server.engine.text = "";
  const auto events = Events(server.Post(Ask(R"("stream":true)"), kPath));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(events[1]["choices"][0]["finish_reason"], "stop");
}

TEST(Chat, GivesEachOfSeveralChoicesItsRole) {
  TestServer server;
  std::map<int, int> roles;
  for (const json& event : Events(server.Post(Ask(R"("stream":true,"n":3)"), kPath))) {
    const json& choice = event["choices"][0];
    roles[choice["index"].get<int>()] += choice["delta"].contains("role") ? 1 : 0;
  }
  EXPECT_EQ(roles, (std::map<int, int>{{0, 1}, {1, 1}, {2, 1}}));
}

TEST(Chat, GivesLogprobsWhoseBytesAreTheText) {
  TestServer server;
  server.engine.text = "h\xc3\xa9!";
  const json body = Answer(server, Ask(R"("logprobs":true,"top_logprobs":2)"));
  const json& logprobs = body["choices"][0]["logprobs"];
  EXPECT_TRUE(logprobs.at("refusal").is_null());
  std::string text;
  for (const json& entry : logprobs["content"]) {
    EXPECT_EQ(entry["logprob"], -0.5);
    EXPECT_EQ(entry["top_logprobs"].size(), 2u);
    EXPECT_EQ(entry["top_logprobs"][0]["token"], entry["token"]);
    for (const json& byte : entry["bytes"]) text.push_back(static_cast<char>(byte.get<int>()));
  }
  EXPECT_EQ(text, server.engine.text);
  EXPECT_EQ(logprobs["content"][1]["token"], "bytes:\\xc3");
}

TEST(Chat, ReportsPromptLogprobsOnce) {
  TestServer server;
  const json body = Answer(server, Ask(R"("prompt_logprobs":1,"max_tokens":1)"));
  const json& prompt = body["prompt_logprobs"];
  ASSERT_EQ(prompt.size(), 19u);
  EXPECT_TRUE(prompt[0].is_null());
  EXPECT_EQ(prompt[1], json::parse(R"({"117":{"logprob":-1,"rank":1,"decoded_token":"u"}})"));
}

TEST(Chat, FillsTheContextWhenNoLengthIsAsked) {
  TestServer server({.max_context = 100});
  server.engine.endless = true;
  EXPECT_EQ(Answer(server, Ask())["usage"]["total_tokens"], 100);
  EXPECT_EQ(
      Answer(server,
             Ask(R"("max_completion_tokens":3,"max_tokens":5)"))["usage"]["completion_tokens"],
      3);
}

TEST(Chat, WritesTheConversationAsTheTemplateSays) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},
          {"role":"assistant","content":"a"},{"role":"user","content":"v"}]})",
       "[system]s[user]u[assistant]a[user]v[assistant]"},
      {R"({"messages":[{"role":"developer","content":"s"},{"role":"user","content":
          [{"type":"text","text":"u"},{"type":"text","text":"v"}]}]})",
       "[system]s[user]u\nv[assistant]"},
      {R"({"messages":[{"role":"user","content":"u"}],"chat_template_kwargs":{"shout":true}})",
       "[user]u![assistant]"},
      {R"({"messages":[{"role":"user","content":"u"}],"add_generation_prompt":false})", "[user]u"},
      {R"({"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"so "}],
          "continue_final_message":true,"chat_template_kwargs":{"shout":true}})",
       "[user]u[assistant]so "},
  };
  TestServer server;
  for (const auto& [body, prompt] : cases) {
    Answer(server, body);
    EXPECT_EQ(LastPrompt(server), prompt);
  }
}

TEST(Chat, WithoutATemplateNamesTheOptionThatGivesOne) {
  TestServer server({.chat_template = nullptr});
  const RawResponse response = server.Post(Ask(), kPath);
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("--chat-template"), std::string::npos) << response.body;
  const json model = json::parse(server.Get("/v1/models").body)["data"][0];
  EXPECT_EQ(model["capabilities"], json::parse(R"(["completion"])"));
  EXPECT_EQ(server.Post(R"({"prompt":"a"})").status, 200);
}

struct ErrorCase {
  const char* body;
  const char* param;
};

TEST(Chat, NamesTheFieldAtFault) {
  TestServer server({.max_context = 100});
  const ErrorCase cases[] = {
      {R"({"messages":[]})", "messages"},
      {R"({"messages":"hi"})", "messages"},
      {R"({"model":"tiny"})", "messages"},
      {R"({"messages":["hi"]})", "messages[0]"},
      {R"({"messages":[{"content":"hi"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":3}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})",
       "messages[0].content[0].text"},
      {R"({"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function"}]})", "tools"},
      {R"({"messages":[{"role":"user","content":"a"}],"tool_choice":"required"})", "tool_choice"},
      {R"({"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"}})",
       "response_format"},
      {R"({"messages":[{"role":"user","content":"a"}],"chat_template":"{{ 1 }}"})",
       "chat_template"},
      {R"({"messages":[{"role":"user","content":"a"}],"chat_template_kwargs":{"messages":1}})",
       "chat_template_kwargs"},
      {R"({"messages":[{"role":"user","content":"a"}],"top_logprobs":2})", "top_logprobs"},
      {R"({"messages":[{"role":"user","content":"a"}],"logprobs":true,"top_logprobs":21})",
       "top_logprobs"},
      {R"({"messages":[{"role":"user","content":"a"}],"max_tokens":0})", "max_tokens"},
      {R"({"messages":[{"role":"user","content":"a"}],"max_tokens":99})", "messages"},
      {R"({"messages":[{"role":"user","content":"a"}],"add_generation_prompt":true,
          "continue_final_message":true})",
       "continue_final_message"},
      {R"({"messages":[{"role":"user","content":" "}],"continue_final_message":true})",
       "continue_final_message"},
      {R"({"messages":[{"role":"user","content":"a"}],"stream":true,"prompt_logprobs":1})",
       "prompt_logprobs"},
  };
  for (const ErrorCase& c : cases) {
    const RawResponse response = server.Post(c.body, kPath);
    EXPECT_EQ(response.status, 400) << c.body;
    EXPECT_EQ(json::parse(response.body)["error"]["param"], c.param) << response.body;
  }
  EXPECT_EQ(server.Post(Ask(R"("model":"other")"), kPath).status, 404);
}

TEST(Chat, TakesWhatClientsSendWithoutMeaningMuch) {
  TestServer server;
  Answer(server, Ask(R"("tools":[],"tool_choice":"none","response_format":{"type":"text"},
      "user":"u","metadata":{},"store":false,"service_tier":"auto","parallel_tool_calls":true,
      "stop":null,"logprobs":null,"repetition_penalty":1.0,"unknown_field":[1,2])"));
}

}  // namespace
}  // namespace tandem
