// A client that leaves, in every phase; clients that do not read; many at once.

#include <gtest/gtest.h>

#include <thread>

#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

constexpr char kStream[] = R"({"prompt":"a","max_tokens":1000000,"stream":true})";
constexpr char kWhole[] = R"({"prompt":"a","max_tokens":1000000})";

class Disconnect : public ::testing::TestWithParam<const char*> {};

TEST_P(Disconnect, CancelsWhileQueued) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(GetParam()));
  ASSERT_TRUE(server.engine.WaitForLive(1));
  client.Close();
  ASSERT_TRUE(server.engine.WaitForCancelled(1));
  EXPECT_EQ(server.engine.cancelled()[0].reason, FinishReason::kCancelled);
  EXPECT_EQ(server.engine.cancelled()[0].num_tokens, 0);
}

TEST_P(Disconnect, CancelsDuringPrefill) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kPrefill);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(GetParam()));
  ASSERT_TRUE(server.engine.WaitForLive(1));
  client.Close();
  EXPECT_TRUE(server.engine.WaitForCancelled(1));
}

TEST_P(Disconnect, CancelsDuringDecode) {
  TestServer server;
  server.engine.endless = true;
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(GetParam()));
  ASSERT_TRUE(server.engine.WaitForLive(1));
  client.Close();
  EXPECT_TRUE(server.engine.WaitForCancelled(1));
}

TEST_P(Disconnect, CancelsAllChoices) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  RawClient client = server.Connect();
  std::string body = GetParam();
  client.Send(TestServer::PostBytes(body.insert(1, R"("n":4,)")));
  ASSERT_TRUE(server.engine.WaitForLive(4));
  client.Close();
  EXPECT_TRUE(server.engine.WaitForCancelled(4));
}

TEST_P(Disconnect, CancelsAlsoWithBytesOfANextRequestThere) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  RawClient client = server.Connect();
  client.Send(TestServer::PostBytes(GetParam()) + "GET /hea");
  ASSERT_TRUE(server.engine.WaitForLive(1));
  client.Close();
  EXPECT_TRUE(server.engine.WaitForCancelled(1));
}

INSTANTIATE_TEST_SUITE_P(StreamAndWhole, Disconnect, ::testing::Values(kStream, kWhole));

TEST(UnreadStream, IsCutOffByBytesPending) {
  TestServer server({.limits = {.max_pending_bytes = 100'000, .send_buffer_bytes = 16 * 1024}});
  server.engine.endless = true;
  RawClient client(server.port(), 4096);
  client.Send(TestServer::PostBytes(kStream));
  EXPECT_TRUE(server.engine.WaitForCancelled(1));
}

TEST(UnreadStream, IsCutOffByTime) {
  TestServer server({.limits = {.max_pending_bytes = size_t{1} << 40,
                                .send_buffer_bytes = 16 * 1024,
                                .write_timeout = std::chrono::milliseconds(100)}});
  server.engine.endless = true;
  RawClient client(server.port(), 4096);
  client.Send(TestServer::PostBytes(kStream));
  EXPECT_TRUE(server.engine.WaitForCancelled(1));
}

TEST(UnreadStream, DoesNotHoldUpOthers) {
  TestServer server({.limits = {.send_buffer_bytes = 16 * 1024}});
  server.engine.endless = true;
  RawClient slow(server.port(), 4096);
  slow.Send(TestServer::PostBytes(kStream));
  ASSERT_TRUE(server.engine.WaitForLive(1));
  const RawResponse response = server.Post(R"({"prompt":"a","max_tokens":100})");
  EXPECT_EQ(response.status, 200);
}

TEST(Concurrency, AHundredConnectionsStreamAtOnce) {
  TestServer server;
  server.engine.Allow(FakeEngine::Phase::kQueued);
  std::vector<RawClient> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(server.Connect());
    ASSERT_TRUE(clients.back().Send(
        TestServer::PostBytes(R"({"prompt":"a","max_tokens":200,"ignore_eos":true,"stream":true,
                                  "stream_options":{"include_usage":true}})")));
  }
  ASSERT_TRUE(server.engine.WaitForLive(100));
  server.engine.Allow(FakeEngine::Phase::kDecode);
  for (RawClient& client : clients) {
    const RawResponse response = client.ReadResponse();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.complete);
    EXPECT_NE(response.body.find("\"completion_tokens\":200"), std::string::npos);
    EXPECT_TRUE(response.body.ends_with("data: [DONE]\n\n"));
  }
  EXPECT_TRUE(server.engine.cancelled().empty());
}

TEST(Concurrency, SurvivesClientsThatComeAndGo) {
  TestServer server;
  server.engine.endless = true;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&server, t] {
      for (int i = 0; i < 25; ++i) {
        RawClient client = server.Connect();
        const bool stream = (i + t) % 2 == 0;
        client.Send(TestServer::PostBytes(stream ? kStream : kWhole));
        if (stream && i % 3 == 0) client.ReceiveUntil("data: ");
      }
    });
  }
  threads.clear();
  EXPECT_TRUE(server.engine.WaitForLive(0, std::chrono::seconds(10)));
  EXPECT_EQ(server.Get("/health").status, 200);
}

}  // namespace
}  // namespace tandem
