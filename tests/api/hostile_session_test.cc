// Whole connections of clients that are broken or hostile: each gets a clean answer or a close, no
// one else's answer, and the server serves the next client.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr char kGet[] = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kHealth[] = R"({"status":"ok","queue_size":0,"gpu_memory":null})";

std::string Post(const std::string& headers, const std::string& rest = "") {
  return "POST /v1/completions HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + rest;
}
std::string Chunked(const std::string& rest) {
  return Post("Transfer-Encoding: chunked\r\n", rest);
}

struct Hostile {
  const char* what;
  std::string bytes;
  int status;  // of the answer, after which the server closes
};

// Behind each of them the bytes of another request follow, and must not be answered.
std::vector<Hostile> RefusedSessions() {
  const std::string body = R"({"prompt":"a"})";
  const std::string hidden = "0\r\n\r\n";
  return {
      // Where the body ends.
      {"CL.TE", Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", hidden), 400},
      {"TE.CL", Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", hidden), 400},
      {"TE.TE", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", hidden), 400},
      {"TE identity", Post("Transfer-Encoding: identity\r\nContent-Length: 14\r\n", body), 400},
      {"TE chunked, identity", Post("Transfer-Encoding: chunked, identity\r\n", hidden), 400},
      {"TE gzip, chunked", Post("Transfer-Encoding: gzip, chunked\r\n", hidden), 501},
      {"TE in quotes", Post("Transfer-Encoding: \"chunked\"\r\n", hidden), 400},
      {"TE and a tab", Post("Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n", hidden), 400},
      {"TE with a vertical tab", Post("Transfer-Encoding: chunked\v\r\n", hidden), 400},
      {"TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden, 400},
      {"TE, space before colon", Post("Transfer-Encoding : chunked\r\n", hidden), 400},
      {"TE, folded", Post("Transfer-Encoding:\r\n chunked\r\n", hidden), 400},
      {"TE behind a bare LF", Post("X: y\nTransfer-Encoding: chunked\r\n", hidden), 400},
      {"TE behind a bare CR", Post("X: y\rTransfer-Encoding: chunked\r\n", hidden), 400},
      {"two lengths", Post("Content-Length: 14\r\nContent-Length: 15\r\n", body), 400},
      {"the same length twice", Post("Content-Length: 14\r\nContent-Length: 14\r\n", body), 400},
      {"list of lengths", Post("Content-Length: 14, 14\r\n", body), 400},
      {"length with plus", Post("Content-Length: +14\r\n", body), 400},
      {"length with minus", Post("Content-Length: -14\r\n", body), 400},
      {"length with a space inside", Post("Content-Length: 1 4\r\n", body), 400},
      {"length in hexadecimal", Post("Content-Length: 0xe\r\n", body), 400},
      {"length with a fraction", Post("Content-Length: 14.0\r\n", body), 400},
      {"length in other digits", Post("Content-Length: \xd9\xa1\r\n", body), 400},
      {"length above 64 bits", Post("Content-Length: 18446744073709551630\r\n", body), 400},
      {"length above the limit", Post("Content-Length: 18446744073709551615\r\n", body), 413},
      {"length, space before colon", Post("Content-Length : 14\r\n", body), 400},
      {"length with NUL", Post(std::string("Content-Length: 14\0\r\n", 21), body), 400},
      // Chunks.
      {"chunk size above 64 bits", Chunked("10000000000000001\r\nx"), 400},
      {"chunk size of 64 bits", Chunked("ffffffffffffffff\r\nx"), 413},
      {"negative chunk size", Chunked("-1\r\nx"), 400},
      {"chunk size with 0x", Chunked("0x1\r\nx"), 400},
      {"empty chunk size", Chunked("\r\nx"), 400},
      {"chunk size behind a space", Chunked(" 1\r\nx"), 400},
      {"bare LF behind a chunk size", Chunked("1\nx\n0\n\n"), 400},
      {"more data than the chunk's size", Chunked("1\r\nxyz\r\n0\r\n\r\n"), 400},
      {"long chunk extension", Chunked("1;" + std::string(2000, 'a') + "\r\nx"), 400},
      {"endless chunk extension", Chunked("1;a=\"" + std::string(20'000, 'a')), 400},
      {"long trailer", Chunked("0\r\nT: " + std::string(2000, 'a') + "\r\n\r\n"), 400},
      {"framing in a trailer", Chunked("1\r\nx\r\n0\r\nContent-Length: 99\r\n\r\n"), 400},
      {"endless trailers", Chunked("0\r\n" + std::string(20'000, 'a')), 400},
      // Heads.
      {"header without a name", "GET /health HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
      {"header without a colon", "GET /health HTTP/1.1\r\nHost: a\r\nxyz\r\n\r\n", 400},
      {"name with a space", "GET /health HTTP/1.1\r\nHost: a\r\na b: x\r\n\r\n", 400},
      {"name outside ASCII", "GET /health HTTP/1.1\r\nHost: a\r\n\xc3\xa4: x\r\n\r\n", 400},
      {"folded first header", "GET /health HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"NUL in a value",
       "GET /health HTTP/1.1\r\nHost: a\r\nX: " + std::string(1, '\0') + "\r\n\r\n", 400},
      {"no Host", "GET /health HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"giant header", "GET /health HTTP/1.1\r\nHost: a\r\nX: " + std::string(50'000, 'x'), 431},
      {"many headers",
       [] {
         std::string head = "GET /health HTTP/1.1\r\nHost: a\r\n";
         for (int i = 0; i < 500; ++i) head += "X: y\r\n";
         return head + "\r\n";
       }(),
       431},
      // Request lines.
      {"endless target", "GET /" + std::string(50'000, 'x'), 414},
      {"long target", "GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"long method", std::string(20'000, 'G'), 414},
      {"target without a slash", "GET health HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"another scheme", "GET ftp://a/health HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"another host in the target", "GET http://b/health HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"asterisk", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400},
      {"space in the target", "GET /he alth HTTP/1.1\r\nHost: a\r\n\r\n", 505},
      {"control character in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"line ends of LF", "GET /health HTTP/1.1\nHost: a\n\n", 400},
      // Other protocols. They do not wait for a deadline.
      {"HTTP/0.9", "GET /health\r\n", 400},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"HTTP/3.7", "GET /health HTTP/3.7\r\nHost: a\r\n\r\n", 505},
      {"lower-case version", "GET /health http/1.1\r\nHost: a\r\n\r\n", 400},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400},
      {"TLS 1.0 of another kind", std::string("\x80\x2e\x01\x03\x01", 5), 400},
      {"NUL", std::string(1, '\0'), 400},
      {"UTF-16", std::string("\xff\xfeG\0E\0T\0", 8), 400},
      {"a proxy's preamble", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", 400},
      {"Redis", "*1\r\n$4\r\nPING\r\n", 400},
      {"SMTP", "EHLO example\r\n", 400},
      // Expectations.
      {"unknown expectation", Post("Expect: tea\r\nContent-Length: 14\r\n", body), 417},
      {"too much expected", Post("Expect: 100-continue\r\nContent-Length: 99999999\r\n"), 413},
  };
}

class HostileSession : public testing::TestWithParam<bool> {};

TEST_P(HostileSession, GetsOneRefusalAndAClose) {
  const bool bytewise = GetParam();
  TestServer server;
  for (const Hostile& hostile : RefusedSessions()) {
    RawClient client = server.Connect();
    const std::string bytes = hostile.bytes + kGet;
    if (bytewise && bytes.size() < 1000) {
      for (const char c : bytes) client.Send({&c, 1});
    } else {
      client.Send(bytes);
    }
    const RawResponse response = client.ReadResponse();
    EXPECT_EQ(response.status, hostile.status) << hostile.what << response.body;
    EXPECT_EQ(response.Header("connection"), "close") << hostile.what;
    EXPECT_TRUE(response.complete) << hostile.what;
    EXPECT_TRUE(client.SeesEnd()) << hostile.what;
    EXPECT_EQ(client.input(), "") << hostile.what << ": more than one answer";
  }
  EXPECT_EQ(server.Get("/health").body, kHealth);
  EXPECT_TRUE(server.engine.requests().empty());
}

INSTANTIATE_TEST_SUITE_P(Bytes, HostileSession, testing::Bool(),
                         [](const auto& bytewise) { return bytewise.param ? "Single" : "AtOnce"; });

TEST(OddSession, IsServed) {
  const std::string body = R"({"prompt":"a"})";
  struct Case {
    const char* what;
    std::string bytes;
    int status;
  };
  const Case cases[] = {
      {"absolute target", "GET http://a/health HTTP/1.1\r\nHost: a\r\n\r\n", 200},
      {"tabs around a value", "GET /health HTTP/1.1\r\nHost:\ta\t\r\n\r\n", 200},
      {"empty value", "GET /health HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", 200},
      {"bytes above ASCII in a value", "GET /health HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n", 200},
      {"body of a GET", "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 200},
      {"leading zeros of a length", Post("Content-Length: 0014\r\n", body), 200},
      {"chunk extension", Chunked("e;a=b;c=\"d\"\r\n" + body + "\r\n0\r\n\r\n"), 200},
      {"zeros of a chunk size", Chunked("000e\r\n" + body + "\r\n000\r\n\r\n"), 200},
      {"trailer", Chunked("e\r\n" + body + "\r\n0\r\nX: y\r\n\r\n"), 200},
      {"encoding in capitals",
       Post("Transfer-Encoding: CHUNKED\r\n", "e\r\n" + body + "\r\n0\r\n\r\n"), 200},
      {"upgrade", "GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
       200},
      {"unknown method", "BREW /health HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"encoded slash", "GET /%2e%2e/etc HTTP/1.1\r\nHost: a\r\n\r\n", 404},
      {"dots", "GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404},
      {"asterisk of OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204},
  };
  TestServer server;
  for (const Case& c : cases) {
    RawClient client = server.Connect();
    client.Send(c.bytes + kGet);
    const RawResponse response = client.ReadResponse();
    EXPECT_EQ(response.status, c.status) << c.what << response.body;
    EXPECT_EQ(client.ReadResponse().body, kHealth) << c.what << ": the next request";
  }
}

TEST(OddSession, HearsTheSameOfHeadAsOfGet) {
  TestServer server;
  for (const char* path : {"/health", "/ready", "/version", "/v1/models", "/v1/models/tiny",
                           "/v1/models/none", "/throws"}) {
    RawClient client = server.Connect();
    const std::string rest = std::string(" ") + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
    client.Send("GET" + rest + "HEAD" + rest + kGet);
    const RawResponse get = client.ReadResponse();
    const RawResponse head = client.ReadResponse(/*head_only=*/true);
    EXPECT_EQ(head.status, get.status) << path;
    EXPECT_EQ(head.Header("content-length"), get.Header("content-length")) << path;
    EXPECT_EQ(head.Header("content-type"), get.Header("content-type")) << path;
    EXPECT_EQ(client.ReadResponse().body, kHealth) << path << ": no body behind the head";
  }
}

// Each request says which it is, and so does its answer.
std::string Numbered(int number, const std::string& request_line, const std::string& rest) {
  return request_line + " HTTP/1.1\r\nHost: a\r\nx-request-id: n" + std::to_string(number) + rest;
}

TEST(PipelinedSession, GetsItsOwnAnswersInOrderAcrossAStream) {
  TestServer server;
  const auto post = [](int number, const std::string& body) {
    return Numbered(number, "POST /v1/completions",
                    "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  };
  std::string bytes;
  for (int i = 0; i < 40; i += 4) {
    bytes += Numbered(i, "GET /health", "\r\n\r\n");
    bytes += post(i + 1, R"({"prompt":"a","stream":true})");
    bytes += post(i + 2, R"({"prompt":"a","n":2})");
    bytes += post(i + 3, R"({"prompt":)");
  }
  RawClient client = server.Connect();
  client.Send(bytes);
  for (int i = 0; i < 40; ++i) {
    const RawResponse response = client.ReadResponse();
    EXPECT_EQ(response.Header("x-request-id"), "n" + std::to_string(i));
    EXPECT_EQ(response.status, i % 4 == 3 ? 400 : 200);
    EXPECT_EQ(response.Header("content-type").starts_with("text/event-stream"), i % 4 == 1);
  }
}

TEST(PipelinedSession, MayNotBufferWithoutEnd) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(R"({"prompt":"a"})"));
  ASSERT_TRUE(server.engine.WaitForLive(1));
  // The server stops reading; what the system buffers is not its memory.
  client.SetNonBlocking();
  const std::string more(64 * 1024, 'G');
  size_t sent = 0;
  while (client.Send(more) && sent < size_t{64} << 20) sent += more.size();
  EXPECT_LT(sent, size_t{64} << 20);
  client.Close();
  EXPECT_EQ(server.Get("/health").body, kHealth);
}

TEST(PipelinedSession, EndsWithTheRequestThatAsksForIt) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + std::string(kGet));
  EXPECT_EQ(client.ReadResponse().body, kHealth);
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_EQ(client.input(), "");
}

TEST(HalfClosedSession, GetsWhatIsReady) {
  TestServer server;
  RawClient client = server.Connect();
  client.Send(std::string(kGet) + kGet + "GET /hea");
  client.CloseSending();
  EXPECT_EQ(client.ReadResponse().body, kHealth);
  EXPECT_EQ(client.ReadResponse().body, kHealth);
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_EQ(client.input(), "") << "nothing for the third, which is not whole";
}

TEST(HalfClosedSession, IsToldThatItsCompletionIsCancelled) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(R"({"prompt":"a"})"));
  ASSERT_TRUE(server.engine.WaitForLive(1));
  client.CloseSending();
  const RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("keep it open"), std::string::npos);
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_TRUE(server.engine.WaitForCancelled(1));
}

// A client that always sends a little in time, and never all.
void Drip(const TestServer& server, const std::string& start, int expected_status) {
  RawClient client = server.Connect();
  client.Send(start);
  const auto begin = steady_clock::now();
  std::jthread drip([&client](const std::stop_token& stop) {
    while (!stop.stop_requested() && client.Send("x")) {
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  EXPECT_EQ(client.ReadResponse().status, expected_status);
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST(SlowSession, HasOneDeadlineForAHeadAndOneForABody) {
  TestServer server({.limits = {.header_timeout = milliseconds(150),
                                .body_timeout = milliseconds(150),
                                .linger_timeout = milliseconds(50)}});
  Drip(server, "GET /health HTTP/1.1\r\nHost: a\r\nX: ", 408);
  Drip(server, "GET /", 408);
  Drip(server, Post("Content-Length: 100000\r\n"), 408);
  Drip(server, Chunked("ffff\r\n"), 408);
  EXPECT_EQ(server.Get("/health").body, kHealth);
}

TEST(SlowSession, MustReadAtALeastRate) {
  // Each bit that the client takes would give it the whole write timeout again.
  TestServer server({.limits = {.min_read_rate_bytes = size_t{1} << 20,
                                .send_buffer_bytes = 4096,
                                .write_timeout = milliseconds(400)}});
  RawClient client(server.port(), 2048);
  client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto begin = steady_clock::now();
  size_t taken = 0;
  for (char bytes[2048]; taken < TestServer::kLargeBytes;) {
    const ssize_t size = client.ReceiveInto(bytes);
    if (size <= 0) break;
    taken += static_cast<size_t>(size);
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_LT(taken, TestServer::kLargeBytes) << "cut off";
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(4));
}

TEST(FloodingSession, LeavesTurnsToOthers) {
  TestServer server({.limits = {.body_timeout = std::chrono::seconds(20)}});
  std::vector<std::jthread> floods;
  std::atomic<bool> stop{false};
  for (int i = 0; i < 2; ++i) {
    floods.emplace_back([&server, &stop] {
      while (!stop) {
        RawClient client = server.Connect();
        client.Send(Post("Content-Length: 99999999\r\n"));  // refused, and sent all the same
        for (int k = 0; k < 100 && !stop && client.Send(std::string(64 * 1024, 'x')); ++k) {
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(server.Get("/health").body, kHealth);
  stop = true;
}

}  // namespace
}  // namespace tandem
