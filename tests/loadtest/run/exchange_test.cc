// The measuring itself, with the bytes and the clock in the test's hands: every figure is exact.

#include "loadtest/run/exchange.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>

#include "loadtest/measure/measures.h"

namespace tandem {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

struct TestClock final : RunClock {
  RequestRecord::Offset now{};
  RequestRecord::Offset Now() const override { return now; }
};

struct TestConnection final : ClientConnection {
  User* user = nullptr;
  std::string sent;
  bool is_closed = false;
  int64_t num_sent = 0;

  void Send(std::string_view request, User* new_user) override {
    sent = request;
    user = new_user;
    ++num_sent;
  }
  void Release() override { user = nullptr; }
  void Close() override {
    user = nullptr;
    is_closed = true;
  }
  bool is_open() const override { return !is_closed; }
  int64_t num_requests() const override { return num_sent; }
};

struct TestConnections final : ConnectionSource {
  std::deque<std::shared_ptr<TestConnection>> idle;
  std::shared_ptr<TestConnection> last;
  int num_made = 0;

  std::shared_ptr<ClientConnection> Take() override {
    if (idle.empty()) return Make();
    last = idle.front();
    idle.pop_front();
    return last;
  }
  std::shared_ptr<ClientConnection> Make() override {
    ++num_made;
    last = std::make_shared<TestConnection>();
    return last;
  }
  void Give(std::shared_ptr<ClientConnection> connection) override {
    connection->Release();
    idle.push_back(std::static_pointer_cast<TestConnection>(connection));
  }
};

class ExchangeTest : public ::testing::Test, protected Exchange::Owner {
 protected:
  static constexpr const char* kHead =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  static constexpr const char* kText = "data: {\"choices\":[{\"text\":\"x\"}]}\n\n";
  static constexpr const char* kLast =
      "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n";
  static constexpr const char* kEnd = "0\r\n\r\n";

  static std::string Chunk(const std::string& data) {
    return fmt::format("{:x}\r\n{}\r\n", data.size(), data);
  }

  void Start(milliseconds scheduled, int64_t cancel_after = 0) {
    exchange_.Start({.request = "ask", .scheduled = scheduled, .cancel_after = cancel_after});
  }
  void Bytes(microseconds at, const std::string& bytes) {
    clock_.now = at;
    connections_.last->user->OnBytes(bytes);
  }
  void End(microseconds at, ClientConnection::End end) {
    clock_.now = at;
    ClientConnection::User* const user = connections_.last->user;
    connections_.last->Close();
    user->OnEnd(end, "the end");
  }

  void OnOutput(Exchange::Offset) override { ++num_outputs_; }
  void OnDone(Exchange&) override { ++num_done_; }

  TestClock clock_;
  TestConnections connections_;
  Exchange exchange_{connections_, *this, clock_};
  int num_outputs_ = 0;
  int num_done_ = 0;
};

TEST_F(ExchangeTest, TimesAreThoseOfTheBytes) {
  clock_.now = milliseconds(103);
  Start(milliseconds(100));
  Bytes(milliseconds(110), kHead);
  Bytes(milliseconds(150), Chunk(kText));
  Bytes(microseconds(162'500), Chunk(kText).substr(0, 12));
  Bytes(microseconds(171'250), Chunk(kText).substr(12) + Chunk(kText));
  Bytes(milliseconds(180), Chunk(kLast));
  EXPECT_EQ(num_done_, 0);
  Bytes(milliseconds(200), Chunk("data: [DONE]\n\n") + kEnd);
  ASSERT_EQ(num_done_, 1);
  const RequestRecord& record = exchange_.record();
  EXPECT_EQ(record.outcome, Outcome::kCompleted) << exchange_.reason();
  EXPECT_EQ(record.scheduled, milliseconds(100));
  EXPECT_EQ(record.sent, milliseconds(103));
  EXPECT_EQ(record.first_output, milliseconds(150));
  EXPECT_EQ(record.end, milliseconds(180)) << "the last event with a choice";
  EXPECT_EQ(record.num_output_tokens, 3);
  EXPECT_EQ(std::vector<uint32_t>(exchange_.gaps().begin(), exchange_.gaps().end()),
            (std::vector<uint32_t>{21'250, 0}));
  EXPECT_EQ(num_outputs_, 3);
  EXPECT_EQ(connections_.idle.size(), 1u) << "the connection is kept";
}

// A hundred requests with known answers through the whole measuring: the percentiles are the truth.
TEST_F(ExchangeTest, PercentilesAreTheTruth) {
  Measures measures;
  for (int i = 1; i <= 100; ++i) {
    const milliseconds due(1000 * i);
    clock_.now = due;
    Start(due);
    Bytes(due + milliseconds(i), kHead + Chunk(kText));  // TTFT: i ms
    Bytes(due + milliseconds(11 * i), Chunk(kText));
    Bytes(due + milliseconds(21 * i), Chunk(kText) + Chunk(kLast));
    Bytes(due + milliseconds(25 * i), kEnd);
    ASSERT_EQ(num_done_, i);
    ASSERT_EQ(exchange_.record().outcome, Outcome::kCompleted);
    measures.Add(exchange_.record(), exchange_.gaps(), {});
  }
  for (const double share : {0.5, 0.9, 0.95, 0.99, 1.0}) {
    const double i = 100.0 * share;
    EXPECT_NEAR(measures.Quantile(Metric::kTtft, share), i, 0.05);
    EXPECT_NEAR(measures.Quantile(Metric::kE2e, share), 21.0 * i, 0.6);
    EXPECT_NEAR(measures.Quantile(Metric::kTpot, share), 10.0 * i, 0.3);
    EXPECT_NEAR(measures.Quantile(Metric::kItl, share), 10.0 * i, 0.3);
  }
  EXPECT_EQ(measures.of(Metric::kItl).count(), 200);
}

TEST_F(ExchangeTest, IsCutAfterItsOutputs) {
  Start(milliseconds(0), 2);
  Bytes(milliseconds(1), kHead + Chunk(kText));
  EXPECT_EQ(num_done_, 0);
  Bytes(milliseconds(2), Chunk(kText) + Chunk(kText));
  EXPECT_EQ(num_done_, 1);
  EXPECT_EQ(exchange_.record().outcome, Outcome::kCancelled);
  EXPECT_EQ(num_outputs_, 2);
  EXPECT_TRUE(connections_.last->is_closed);
}

TEST_F(ExchangeTest, AStreamWithoutItsEndIsBroken) {
  Start(milliseconds(0));
  Bytes(milliseconds(1),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + std::string(kText));
  End(milliseconds(2), ClientConnection::End::kClosed);
  EXPECT_EQ(exchange_.record().outcome, Outcome::kBroken);
  EXPECT_NE(exchange_.reason().find("without a finish reason"), std::string::npos);
}

TEST_F(ExchangeTest, AnIdleConnectionThatEndsIsReplacedOnce) {
  Start(milliseconds(0));
  Bytes(milliseconds(1), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(num_done_, 1);
  Start(milliseconds(2));
  EXPECT_EQ(connections_.num_made, 1) << "it is used again";
  End(milliseconds(3), ClientConnection::End::kClosed);
  EXPECT_EQ(connections_.num_made, 2);
  EXPECT_EQ(connections_.last->sent, "ask");
  EXPECT_TRUE(exchange_.is_running());
  End(milliseconds(4), ClientConnection::End::kClosed);
  EXPECT_EQ(exchange_.record().outcome, Outcome::kBroken) << "a new one is not";
  EXPECT_TRUE(exchange_.was_retried());
}

TEST_F(ExchangeTest, BytesAfterTheAnswerCostTheConnection) {
  Start(milliseconds(0));
  const auto connection = connections_.last;
  Bytes(milliseconds(1), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}extra");
  EXPECT_EQ(exchange_.record().outcome, Outcome::kCompleted);
  EXPECT_TRUE(connection->is_closed);
}

TEST_F(ExchangeTest, NoConnectionIsARefusal) {
  Start(milliseconds(0));
  End(milliseconds(1), ClientConnection::End::kNotConnected);
  EXPECT_EQ(exchange_.record().outcome, Outcome::kRefused);
  EXPECT_EQ(exchange_.reason(), "the end");
}

}  // namespace
}  // namespace tandem
