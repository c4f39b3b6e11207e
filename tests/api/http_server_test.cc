#include "api/http/server.h"

#include <gtest/gtest.h>

#include "tests/api/support/test_server.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

constexpr char kHealthBody[] = R"({"status":"ok","queue_size":0,"gpu_memory":null})";

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr char kGet[] = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(HttpServer, KeepsTheConnectionBetweenRequests) {
  TestServer server;
  RawClient client = server.Connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(kGet));
    const RawResponse response = client.ReadResponse();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.Header("connection"), "keep-alive");
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send(std::string(kGet) + TestServer::PostBytes(R"({"prompt":"a"})") +
              "GET /version HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, kHealthBody);
  EXPECT_NE(client.ReadResponse().body.find("\"text\":\"hello\""), std::string::npos);
  EXPECT_NE(client.ReadResponse().body.find("portable"), std::string::npos);
}

TEST(HttpServer, ReadsARequestThatComesByteByByte) {
  TestServer server;
  RawClient client = server.Connect();
  for (const char c : TestServer::PostBytes(R"({"prompt":"a"})")) client.Send({&c, 1});
  EXPECT_EQ(client.ReadResponse().status, 200);
}

TEST(HttpServer, IgnoresEmptyLinesBetweenRequests) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send(std::string("\r\n\r\n") + kGet + "\r\n" + kGet);
  EXPECT_EQ(client.ReadResponse().status, 200);
  EXPECT_EQ(client.ReadResponse().status, 200);
}

TEST(HttpServer, AnswersExpectContinueBeforeTheBody) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      "Content-Length: 14\r\n\r\n");
  ASSERT_TRUE(client.ReceiveUntil("HTTP/1.1 100 Continue\r\n\r\n"));
  client.Send(R"({"prompt":"a"})");
  EXPECT_EQ(client.ReadResponse().status, 200);
}

TEST(HttpServer, RefusesALargeBodyInsteadOfContinuing) {
  TestServer server({.limits = {.max_body_bytes = 1000}});
  RawClient client = server.Connect();
  client.Send(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      "Content-Length: 1001\r\n\r\n");
  const RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.Header("connection"), "close");
  EXPECT_NE(response.body.find("limit of 1000 bytes"), std::string::npos);
  EXPECT_TRUE(client.SeesClose());
}

TEST(HttpServer, LetsAClientReadTheRefusalWhileItStillSends) {
  TestServer server({.limits = {.max_body_bytes = 1000}});
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(std::string(300'000, 'x')));
  EXPECT_EQ(client.ReadResponse().status, 413);
}

TEST(HttpServer, RefusesALongHead) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send("GET /health HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x'));
  EXPECT_EQ(client.ReadResponse().status, 431);
}

TEST(HttpServer, RefusesSmuggledRequests) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send(
      "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\nGET /version HTTP/1.1\r\nHost: a\r\n\r\n");
  const RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.Header("connection"), "close");
  EXPECT_TRUE(client.SeesClose()) << client.input();
}

TEST(HttpServer, ClosesAnUnfinishedHeadAfterItsTime) {
  TestServer server({.limits = {.header_timeout = milliseconds(50)}});
  RawClient client = server.Connect();
  client.Send("GET /health HT");
  EXPECT_EQ(client.ReadResponse().status, 408);
  EXPECT_TRUE(client.SeesClose());
}

TEST(HttpServer, ClosesAnUnfinishedBodyAfterItsTime) {
  TestServer server({.limits = {.body_timeout = milliseconds(50)}});
  RawClient client = server.Connect();
  client.Send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\n{");
  EXPECT_EQ(client.ReadResponse().status, 408);
}

TEST(HttpServer, ClosesAnIdleConnectionSilently) {
  TestServer server({.limits = {.idle_timeout = milliseconds(50)}});
  RawClient client = server.Connect();
  EXPECT_TRUE(client.SeesClose());
}

TEST(HttpServer, TellsConnectionsAboveTheLimitToComeBack) {
  TestServer server({.limits = {.max_connections = 2}});
  RawClient first = server.Connect();
  RawClient second = server.Connect();
  first.Send(kGet);
  EXPECT_EQ(first.ReadResponse().status, 200);
  second.Send(kGet);
  EXPECT_EQ(second.ReadResponse().status, 200);
  RawClient third = server.Connect();
  const RawResponse response = third.ReadResponse();
  EXPECT_EQ(response.status, 503);
  EXPECT_FALSE(response.Header("retry-after").empty());
}

TEST(HttpServer, AnswersHeadWithoutABody) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n");
  const RawResponse response = client.ReadResponse(/*head_only=*/true);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("content-length"), "48");
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().body, kHealthBody);
}

TEST(HttpServer, ClosesAfterAnHttp10Request) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send("GET /health HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 200);
  EXPECT_TRUE(client.SeesClose());
}

TEST(HttpServer, StreamsToHttp10WithoutChunks) {
  TestServer server;
  RawClient client = server.Connect();
  const std::string body = R"({"prompt":"a","stream":true})";
  client.Send("POST /v1/completions HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  const RawResponse response = client.ReadResponse();
  EXPECT_TRUE(response.Header("transfer-encoding").empty());
  EXPECT_TRUE(response.body.starts_with("data: {"));
  EXPECT_TRUE(response.body.ends_with("data: [DONE]\n\n"));
}

TEST(HttpServer, EchoesASaneRequestIdAndMakesOneOtherwise) {
  TestServer server;
  EXPECT_EQ(server.Get("/health", "X-Request-Id: abc-1\r\n").Header("x-request-id"), "abc-1");
  const RawResponse response = server.Get("/health", "X-Request-Id: a b\r\n");
  EXPECT_TRUE(response.Header("x-request-id").starts_with("req-"));
}

TEST(HttpServer, TurnsExceptionsIntoAnErrorWithoutTheirText) {
  TestServer server;
  const RawResponse response = server.Get("/throws");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_NE(response.body.find("server_error"), std::string::npos);
}

TEST(HttpServer, FinishesRunningAnswersAndClosesIdleConnections) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kPrefill);
  RawClient idle = server.Connect();
  idle.Send(kGet);
  EXPECT_EQ(idle.ReadResponse().status, 200);
  RawClient busy = server.Connect();
  busy.Send(TestServer::PostBytes(R"({"prompt":"a"})"));
  ASSERT_TRUE(server.engine.WaitForLive(1));

  EXPECT_FALSE(server.http().Finish(steady_clock::now() + milliseconds(50)));
  EXPECT_TRUE(idle.SeesClose());
  server.engine.Allow(FakeEngine::Phase::kDecode);
  const RawResponse response = busy.ReadResponse();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("connection"), "close");
  EXPECT_TRUE(server.http().Finish(steady_clock::now() + std::chrono::seconds(5)));
  EXPECT_FALSE(RawClient(server.port()).connected());
}

TEST(HttpServer, CancelsEverythingWhenStopped) {
  TestServer server;
  server.engine.endless = true;
  std::vector<RawClient> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(server.Connect());
    clients.back().Send(
        TestServer::PostBytes(R"({"prompt":"a","max_tokens":1000000,"stream":true})"));
  }
  for (RawClient& client : clients) ASSERT_TRUE(client.ReceiveUntil("data: "));
  server.http().Stop();
  EXPECT_TRUE(server.engine.WaitForCancelled(5));
}

TEST(HttpServer, AnswersOnAUnixSocket) {
  const TemporaryDirectory folder;
  const std::filesystem::path path = folder / "socket";
  {
    TestServer server({.unix_socket = path});
    RawClient client{path};
    ASSERT_TRUE(client.connected());
    client.Send(kGet);
    EXPECT_EQ(client.ReadResponse().status, 200);
    EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { TestServer({.unix_socket = path}); }),
                         "Address already in use"));
    EXPECT_TRUE(RawClient{path}.connected()) << "the first one's file is still there";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(HttpServer, ReplacesAStaleUnixSocketAndNoOtherFile) {
  const TemporaryDirectory folder;
  const std::filesystem::path path = folder / "socket";
  {
    // As a server that was killed leaves it.
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::close(dead);
  }
  EXPECT_TRUE(std::filesystem::is_socket(path));
  {
    TestServer server({.unix_socket = path});
    EXPECT_TRUE(RawClient{path}.connected());
  }
  folder.Write("socket", "text");
  EXPECT_THROW(TestServer({.unix_socket = path}), ConfigError);
  EXPECT_EQ(folder.Read("socket"), "text");
  EXPECT_TRUE(
      Contains(MessageOf<ConfigError>([&] { TestServer({.unix_socket = std::string(200, 'x')}); }),
               "too long"));
}

TEST(HttpServer, RefusesAnAddressInUse) {
  TestServer server;
  try {
    const HttpAddress address{"127.0.0.1", server.port()};
    TestServer other;
    struct Nothing : HttpHandler {
      std::optional<HttpResponse> CheckHead(const HttpRequest&) override { return std::nullopt; }
      Reply Handle(HttpRequest&, Waker) override { return HttpResponse{}; }
      std::vector<HttpHeader> HeadersFor(const HttpRequest&) override { return {}; }
      HttpResponse Refuse(int, std::string_view) override { return {}; }
      void Failed(std::string_view) override {}
      void Finished(const HttpRequest&, int) override {}
    } handler;
    HttpServer second(address, HttpLimits{}, handler);
    FAIL() << "bound twice";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("--port"), std::string::npos);
  }
}

}  // namespace
}  // namespace tandem
