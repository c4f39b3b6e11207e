#include "api/routes/browser_rules.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "tests/api/support/test_server.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

HttpRequest Request(const std::string& method, const std::string& host,
                    const std::string& origin = "") {
  HttpRequest request{.method = method, .path = "/", .headers = {{"Host", host}}};
  if (!origin.empty()) request.headers.push_back({"Origin", origin});
  return request;
}

bool Allows(const BrowserRules& rules, const HttpRequest& request) {
  return !rules.Refusal(request).has_value();
}

TEST(BrowserRules, AnswerToLocalNamesOnlyWhereNoKeyIsNeeded) {
  const BrowserRules rules(
      {.allowed_hosts = {"GPU.example", "other:8000"}, .only_local_names = true});
  for (const char* host : {"localhost", "LocalHost:8000", "127.0.0.1:8000", "127.1.2.3", "[::1]",
                           "[::1]:8000", "gpu.example:1", "other"}) {
    EXPECT_TRUE(Allows(rules, Request("GET", host))) << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example", "127.evil.example", "evil.example:8000",
        "10.0.0.1", "[::2]", "[::1", "gpu.example.evil", "localhost@evil.example", ":8000"}) {
    EXPECT_FALSE(Allows(rules, Request("GET", host))) << host;
  }
  EXPECT_TRUE(Allows(rules, HttpRequest{.method = "GET"})) << "HTTP/1.0 without Host";
  EXPECT_TRUE(Allows(BrowserRules(), Request("GET", "evil.example")));
  EXPECT_TRUE(Allows(BrowserRules({.allowed_hosts = {"*"}, .only_local_names = true}),
                     Request("GET", "evil.example")));
}

TEST(BrowserRules, RefuseWhatAnotherSitesPageSends) {
  const BrowserRules rules({.allowed_origins = {"https://Chat.example/", "http://a.example:3000"}});
  const char* host = "server.example:8000";
  for (const char* origin : {"http://server.example:8000", "https://server.example",
                             "https://chat.example", "http://a.example:3000"}) {
    EXPECT_TRUE(Allows(rules, Request("POST", host, origin))) << origin;
  }
  for (const char* origin :
       {"http://evil.example", "null", "http://chat.example", "https://chat.example:444",
        "http://a.example", "http://server.example.evil", "file://", "chrome-extension://abc",
        "server.example:8000"}) {
    EXPECT_FALSE(Allows(rules, Request("POST", host, origin))) << origin;
    EXPECT_TRUE(Allows(rules, Request("GET", host, origin))) << origin;
    EXPECT_TRUE(Allows(rules, Request("OPTIONS", host, origin))) << origin;
  }
  EXPECT_FALSE(Allows(rules, Request("DELETE", host, "http://evil.example")));
  EXPECT_TRUE(Allows(rules, Request("POST", host))) << "no browser";
  EXPECT_TRUE(Allows(BrowserRules({.allowed_origins = {"*"}}), Request("POST", host, "null")));
  EXPECT_TRUE(Allows(BrowserRules({.allowed_origins = {"null"}}), Request("POST", host, "null")));
}

TEST(BrowserRules, RefuseOriginsThatAreNone) {
  for (const char* origin :
       {"chat.example", "", "https://", "https://a/b", "https://*.example", "https://a b"}) {
    EXPECT_TRUE(
        Contains(MessageOf<ConfigError>([&] { BrowserRules({.allowed_origins = {origin}}); }),
                 "--allowed-origins"))
        << origin;
  }
}

std::string Post(const std::string& headers) {
  return "POST /v1/completions HTTP/1.1\r\n" + headers + "Content-Length: 14\r\n\r\n" +
         R"({"prompt":"a"})";
}

TEST(Router, RefusesForeignHostsAndPagesWithAWayOut) {
  TestServer server({.browsers = {.only_local_names = true}});
  RawClient client = server.Connect();
  client.Send("GET /health HTTP/1.1\r\nHost: evil.example:8000\r\n\r\n");
  RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 403);
  EXPECT_TRUE(Contains(response.body, "--allowed-hosts evil.example"));
  client.Send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 200) << "the connection goes on";

  client.Send(
      Post("Host: localhost\r\nContent-Type: text/plain\r\nOrigin: http://evil.example\r\n"));
  response = client.ReadResponse();
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(nlohmann::json::parse(response.body)["error"]["code"], "forbidden");
  EXPECT_TRUE(Contains(response.body, "--allowed-origins http://evil.example"));
  EXPECT_TRUE(client.SeesClose());
  EXPECT_TRUE(server.engine.requests().empty());

  RawClient page = server.Connect();
  page.Send(Post("Host: localhost:8000\r\nOrigin: http://localhost:8000\r\n"));
  EXPECT_EQ(page.ReadResponse().status, 200);
}

constexpr char kPreflight[] =
    "OPTIONS /v1/completions HTTP/1.1\r\nHost: a\r\nOrigin: https://chat.example\r\n"
    "Access-Control-Request-Method: POST\r\n"
    "Access-Control-Request-Headers: authorization,content-type\r\n\r\n";

TEST(Router, KeepsCorsOffByDefault) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send(kPreflight);
  const RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.Header("allow"), "POST, OPTIONS");
  for (const auto& [name, value] : response.headers) {
    EXPECT_FALSE(name.starts_with("access-control")) << name;
  }
}

TEST(Router, LetsListedPagesInWithoutAKeyForThePreflight) {
  TestServer server({.keys = {"key"}, .browsers = {.allowed_origins = {"https://chat.example"}}});
  RawClient client = server.Connect();
  client.Send(kPreflight);
  RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.Header("access-control-allow-origin"), "https://chat.example");
  EXPECT_EQ(response.Header("access-control-allow-headers"), "Authorization, *");
  EXPECT_TRUE(Contains(std::string(response.Header("access-control-allow-methods")), "POST"));
  EXPECT_EQ(response.Header("access-control-allow-credentials"), "");
  EXPECT_EQ(response.Header("vary"), "Origin");

  const std::string origin = "Host: a\r\nOrigin: https://chat.example\r\n";
  client.Send(Post(origin + "Authorization: Bearer key\r\n"));
  response = client.ReadResponse();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("access-control-allow-origin"), "https://chat.example");
  EXPECT_EQ(response.Header("vary"), "Origin");
  client.Send(Post(origin));
  response = client.ReadResponse();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.Header("access-control-allow-origin"), "https://chat.example")
      << "the page may read why";
}

TEST(Router, TellsNothingToOtherPages) {
  TestServer server({.keys = {"key"}, .browsers = {.allowed_origins = {"https://chat.example"}}});
  const RawResponse get = server.Get("/health", "Origin: https://evil.example\r\n");
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.Header("access-control-allow-origin"), "");
  EXPECT_EQ(get.Header("vary"), "Origin");
  RawClient client = server.Connect();
  client.Send(
      "OPTIONS /metrics HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n"
      "Access-Control-Request-Method: GET\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 401);
}

TEST(Router, AllowsAllPagesWithAStar) {
  TestServer server({.browsers = {.allowed_origins = {"*"}}});
  const RawResponse response = server.Get("/health", "Origin: https://any.example\r\n");
  EXPECT_EQ(response.Header("access-control-allow-origin"), "*");
  EXPECT_EQ(response.Header("vary"), "");
  RawClient stream = server.Connect();
  const std::string body = R"({"prompt":"a","stream":true})";
  stream.Send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nOrigin: null\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(stream.ReadResponse().Header("access-control-allow-origin"), "*") << "streams too";
}

}  // namespace
}  // namespace tandem
