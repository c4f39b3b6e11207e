// /openapi.json says what the server does, no more and no less: routes, answers, headers, errors.
// What it says of requests is held to in openapi_requests_test.cc;
// tests/clients/schemathesis_run.py tries the rest.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "api/routes/all_routes.h"
#include "tests/api/support/api_document.h"
#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

using nlohmann::json;
using Operation = ApiDocument::Operation;

const Operation& Find(const std::vector<Operation>& operations, std::string_view path) {
  for (const Operation& operation : operations) {
    if (operation.path == path) return operation;
  }
  throw std::runtime_error("no operation has the path " + std::string(path));
}

// The pages are for people.
bool IsOfThePage(const Route& route) {
  return route.path == "/" || route.path == "/dashboard" || route.path == "/favicon.ico" ||
         route.path.starts_with("/assets/");
}

void ExpectHeaders(const ApiDocument& api, const json& described, const RawResponse& response) {
  for (const auto& [name, header] : described["headers"].items()) {
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::string value(response.Header(lower));
    const json& resolved = api.schemas().Resolve(header);
    if (resolved.value("required", false)) {
      EXPECT_NE(value, "") << name;
    }
    if (value.empty()) continue;
    const bool is_number = resolved["schema"]["type"] == "integer";
    const json parsed = is_number ? json::parse(value) : json(value);
    EXPECT_EQ(api.schemas().ProblemOf(resolved["schema"], parsed, name), "");
  }
}

void ExpectEvents(const ApiDocument& api, const json& schema, std::string_view body) {
  size_t num_events = 0;
  for (size_t at = 0; at < body.size(); ++num_events) {
    const size_t end = body.find("\n\n", at);
    ASSERT_NE(end, std::string_view::npos);
    ASSERT_EQ(body.substr(at, 6), "data: ");
    const json event = {{"data", body.substr(at + 6, end - at - 6)}};
    EXPECT_EQ(api.schemas().ProblemOf(schema, event), "") << event;
    at = end + 2;
  }
  EXPECT_GT(num_events, 1u);
}

// Status, headers, type and body are described.
void ExpectDescribed(const ApiDocument& api, const Operation& operation,
                     const RawResponse& response) {
  SCOPED_TRACE(operation.path + " " + std::to_string(response.status) + " " + response.body);
  const json* described = api.ResponseOf(operation, response.status);
  ASSERT_NE(described, nullptr);
  ExpectHeaders(api, *described, response);
  const std::string_view full_type = response.Header("content-type");
  const std::string type(full_type.substr(0, full_type.find(';')));
  ASSERT_TRUE((*described)["content"].contains(type)) << type;
  const json& schema = (*described)["content"][type]["schema"];
  if (type == "text/event-stream") return ExpectEvents(api, schema, response.body);
  const json body = type == "application/json" ? json::parse(response.body) : json(response.body);
  EXPECT_EQ(api.schemas().ProblemOf(schema, body), "");
}

// The first example, with `changes`; by itself it is answered with 200.
RawResponse Ask(const TestServer& server, const Operation& operation, const json& changes = {}) {
  std::string path = operation.path;
  if (const size_t brace = path.find("{id}"); brace != path.npos) path.replace(brace, 4, "tiny");
  if (operation.method == "GET") return server.Get(path);
  json body = ApiDocument::ExamplesOf(operation).front();
  if (changes.is_object()) body.update(changes);
  return server.Post(body.dump(), path);
}

// Each "$ref" below `value`.
void CollectReferences(const json& value, std::set<std::string>& references) {
  if (value.is_object() && value.contains("$ref")) references.insert(value["$ref"]);
  if (!value.is_structured()) return;
  for (const json& inner : value) CollectReferences(inner, references);
}

TEST(OpenApi, IsServedToEverybodyWithTheVersionOfTheProgram) {
  const TestServer server({.keys = {"key"}});
  const RawResponse response = server.Get("/openapi.json");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("content-type"), "application/json");
  EXPECT_EQ(response.body, OpenApiDocument());
  const json document = json::parse(response.body);
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_EQ(document["info"]["version"], TANDEM_VERSION);
}

TEST(OpenApi, HasAllThatItRefersToAndUsesAllThatItHas) {
  const ApiDocument api;
  std::set<std::string> used;
  CollectReferences(api.json(), used);
  std::set<std::string> defined;
  for (const auto& [kind, components] : api.json()["components"].items()) {
    if (kind == "securitySchemes") continue;
    for (const auto& [name, component] : components.items()) {
      defined.insert("#/components/" + kind + "/" + name);
    }
  }
  EXPECT_EQ(used, defined);
}

TEST(OpenApi, DescribesEveryRouteAndNoOther) {
  const ByteTokenizer tokenizer;
  FakeEngine engine;
  CircuitBreaker breaker{BreakerOptions()};
  const ServedModel model{
      .names = {"tiny"}, .tokenizer = tokenizer, .engine = engine, .breaker = breaker};
  ServerMetrics metrics("tiny");
  const ServerStatus status;
  Generator generator(model, metrics);
  std::set<std::string> routes;
  std::set<std::string> with_key;
  for (const Route& route : AllRoutes(generator, status, metrics)) {
    if (IsOfThePage(route)) continue;
    routes.insert(route.method + " " + route.path);
    if (route.access == RouteAccess::kKey) with_key.insert(route.method + " " + route.path);
  }
  const ApiDocument api;
  std::set<std::string> described;
  std::set<std::string> described_with_key;
  for (const Operation& operation : api.Operations()) {
    const std::string name = operation.method + " " + operation.path;
    described.insert(name);
    if (!operation.body.contains("security")) described_with_key.insert(name);
  }
  EXPECT_EQ(described, routes);
  EXPECT_EQ(described_with_key, with_key);
}

TEST(OpenApi, DescribesTheAnswerToEachExample) {
  const TestServer server;
  const ApiDocument api;
  for (const Operation& operation : api.Operations()) {
    if (operation.method == "GET") {
      ExpectDescribed(api, operation, Ask(server, operation));
      continue;
    }
    for (const json& example : ApiDocument::ExamplesOf(operation)) {
      const RawResponse response = server.Post(example.dump(), operation.path);
      EXPECT_EQ(response.status, 200) << operation.path << example << response.body;
      ExpectDescribed(api, operation, response);
    }
  }
}

TEST(OpenApi, DescribesAnswersOfAModelWithoutChatTemplate) {
  const TestServer server({.chat_template = nullptr});
  const ApiDocument api;
  const auto operations = api.Operations();
  for (const char* path : {"/tokenizer_info", "/v1/models", "/v1/chat/completions"}) {
    const Operation& operation = Find(operations, path);
    ExpectDescribed(api, operation, Ask(server, operation));
  }
}

// Below the routes, so it may happen to each operation.
TEST(OpenApi, DescribesTheRefusalsOfEveryOperation) {
  HttpLimits limits;
  limits.max_header_bytes = 512;
  limits.max_body_bytes = 512;
  limits.header_timeout = std::chrono::milliseconds(100);
  const TestServer server({.limits = limits, .browsers = {.only_local_names = true}});
  const ApiDocument api;
  for (const Operation& operation : api.Operations()) {
    const std::string path = operation.path + " HTTP/1.1\r\n";
    const std::string line = operation.method + " " + path;
    const std::string local = "Host: localhost\r\n";
    const std::string heads[] = {
        "DELETE " + path + local + "\r\n",                                       // 405
        line + local + local + "\r\n",                                           // 400
        line + "Host: foreign\r\n\r\n",                                          // 403
        line + local + "x: " + std::string(1000, 'x') + "\r\n\r\n",              // 431
        line + local + "Content-Length: 1000\r\n\r\n" + std::string(1000, ' '),  // 413
        line + "Host: loc",                                                      // 408
    };
    std::set<int> statuses;
    for (const std::string& head : heads) {
      RawClient client = server.Connect();
      client.Send(head);
      const RawResponse response = client.ReadResponse();
      statuses.insert(response.status);
      ExpectDescribed(api, operation, response);
    }
    EXPECT_EQ(statuses, (std::set<int>{400, 403, 405, 408, 413, 431})) << operation.path;
  }
}

TEST(OpenApi, DescribesTheRefusalWithoutKeyWhereOneIsNeeded) {
  const TestServer server({.keys = {"key"}});
  const ApiDocument api;
  for (const Operation& operation : api.Operations()) {
    const RawResponse response = Ask(server, operation);
    EXPECT_EQ(response.status == 401, api.ResponseOf(operation, 401) != nullptr) << operation.path;
    ExpectDescribed(api, operation, response);
  }
}

TEST(OpenApi, DescribesWhatAnEngineMayAnswer) {
  // So that the engine's end comes first.
  const json long_answer = {
      {"max_tokens", 50}, {"max_completion_tokens", 50}, {"max_new_tokens", 50}};
  const ApiDocument api;
  const auto operations = api.Operations();
  const auto expect = [&](TestServer& server, std::string_view path, int status) {
    const Operation& operation = Find(operations, path);
    const RawResponse response = Ask(server, operation, long_answer);
    EXPECT_EQ(response.status, status) << path;
    ExpectDescribed(api, operation, response);
  };
  for (const char* path : {"/v1/completions", "/v1/chat/completions", "/generate"}) {
    TestServer full;
    full.engine.max_requests = 0;
    expect(full, path, path == std::string_view("/generate") ? 503 : 429);
    TestServer stopping;
    stopping.engine.SetDraining();
    expect(stopping, path, 503);
    TestServer failing;
    failing.engine.fail_with = FinishReason::kFailed;
    expect(failing, path, 500);
    TestServer late;
    late.engine.fail_with = FinishReason::kDeadline;
    expect(late, path, 504);
    TestServer small({.max_context = 3});
    expect(small, path, 400);
  }
  TestServer broken;
  broken.engine.SetHealthy(false);
  expect(broken, "/health", 503);
  expect(broken, "/ready", 503);
}

TEST(OpenApi, DescribesWhatAnOpenCircuitBreakerAnswers) {
  const ApiDocument api;
  for (const bool degraded : {false, true}) {
    TestServer server({.breaker = {.min_requests = 1},
                       .degraded_answer = degraded ? std::optional("sorry") : std::nullopt});
    server.engine.fail_with = FinishReason::kFailed;
    EXPECT_EQ(server.Post(R"({"prompt":"a","max_tokens":50})").status, 500);
    for (const Operation& operation : api.Posts()) {
      if (!operation.body["responses"].contains("504")) continue;  // no text is generated
      for (const json& example : ApiDocument::ExamplesOf(operation)) {
        const RawResponse response = server.Post(example.dump(), operation.path);
        EXPECT_EQ(response.status, degraded ? 200 : 503) << operation.path << example;
        EXPECT_EQ(response.Header("x-tandem-degraded"), degraded ? "1" : "");
        ExpectDescribed(api, operation, response);
      }
    }
    const RawResponse ready = server.Get("/ready");
    EXPECT_EQ(ready.status, degraded ? 200 : 503);
    ExpectDescribed(api, Find(api.Operations(), "/ready"), ready);
  }
}

TEST(OpenApi, DescribesTheErrorThatEndsAStream) {
  TestServer server;
  server.engine.fail_with = FinishReason::kFailed;
  const ApiDocument api;
  for (const Operation& operation : api.Posts()) {
    for (json example : ApiDocument::ExamplesOf(operation)) {
      if (!example.contains("stream")) continue;
      example["max_tokens"] = 50;
      const RawResponse response = server.Post(example.dump(), operation.path);
      EXPECT_NE(response.body.find("\"error\""), std::string::npos) << response.body;
      ExpectDescribed(api, operation, response);
    }
  }
}

TEST(OpenApi, DescribesModelsThatAreNotServed) {
  const TestServer server;
  const ApiDocument api;
  for (const Operation& operation : api.Operations()) {
    if (api.ResponseOf(operation, 404) == nullptr) continue;
    const bool is_get = operation.method == "GET";
    const RawResponse response =
        is_get ? server.Get("/v1/models/other") : Ask(server, operation, {{"model", "other"}});
    EXPECT_EQ(response.status, 404) << operation.path;
    ExpectDescribed(api, operation, response);
  }
}

}  // namespace
}  // namespace tandem
