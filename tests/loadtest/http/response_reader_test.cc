#include "loadtest/http/response_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem {
namespace {

using State = ResponseReader::State;

struct Collected final : ResponseReader::Sink {
  int status = 0;
  std::string body;

  void OnHead(const ResponseReader& reader) override { status = reader.status(); }
  void OnBody(std::string_view piece) override { body += piece; }
};

constexpr std::string_view kChunked =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\nA;x=y\r\n, and more\r\n0\r\nTrailer: x\r\n\r\n";

TEST(ResponseReader, ReadsChunksHoweverTheBytesCome) {
  for (size_t step = 1; step <= kChunked.size(); ++step) {
    ResponseReader reader;
    Collected sink;
    for (size_t at = 0; at < kChunked.size(); at += step) {
      EXPECT_EQ(reader.state(), State::kIncomplete);
      const std::string_view piece = kChunked.substr(at, step);
      EXPECT_EQ(reader.Feed(piece, sink), piece.size());
    }
    EXPECT_EQ(reader.state(), State::kComplete) << step;
    EXPECT_EQ(sink.body, "hello, and more") << step;
    EXPECT_TRUE(reader.is_event_stream());
  }
}

TEST(ResponseReader, TakesNoByteBeyondTheEnd) {
  ResponseReader reader;
  Collected sink;
  const std::string bytes = "HTTP/1.1 429 Too Many\r\ncontent-length: 4\r\n\r\nnope";
  EXPECT_EQ(reader.Feed(bytes + "HTTP/1.1 200", sink), bytes.size());
  EXPECT_EQ(reader.state(), State::kComplete);
  EXPECT_EQ(sink.status, 429);
  EXPECT_EQ(sink.body, "nope");
  EXPECT_TRUE(reader.keeps_alive());
  EXPECT_FALSE(reader.is_event_stream());
  reader.Restart();
  EXPECT_EQ(reader.Feed("HTTP/1.0 204 None\r\n\r\n", sink), 21u);
  EXPECT_EQ(reader.state(), State::kComplete);
  EXPECT_FALSE(reader.keeps_alive());
}

TEST(ResponseReader, SkipsInterimAnswers) {
  ResponseReader reader;
  Collected sink;
  reader.Feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", sink);
  EXPECT_EQ(reader.state(), State::kComplete);
  EXPECT_EQ(sink.status, 200);
}

TEST(ResponseReader, ABodyWithoutLengthLastsToTheEnd) {
  ResponseReader reader;
  Collected sink;
  reader.Feed("HTTP/1.1 200 OK\r\n\r\nsome", sink);
  EXPECT_EQ(reader.state(), State::kIncomplete);
  reader.FeedEnd();
  EXPECT_EQ(reader.state(), State::kComplete);
  EXPECT_FALSE(reader.keeps_alive());
}

TEST(ResponseReader, AnEndInsideABodyIsNoAnswer) {
  ResponseReader reader;
  Collected sink;
  reader.Feed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", sink);
  reader.FeedEnd();
  EXPECT_EQ(reader.state(), State::kMalformed);
}

TEST(ResponseReader, RefusesWhatIsNoResponse) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  for (const std::string& text :
       {std::string("SSH-2.0-x\r\n"), std::string("HTTP/1.1 OK\r\n"), head + "no colon\r\n",
        head + "Content-Length: -1\r\n", head + "Content-Length: 1\r\nContent-Length: 1\r\n",
        head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        head + "Transfer-Encoding: gzip\r\n", head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        head + "X: " + std::string(ResponseReader::kMaxHeadBytes, 'x')}) {
    ResponseReader reader;
    Collected sink;
    reader.Feed(text, sink);
    EXPECT_EQ(reader.state(), State::kMalformed) << text.substr(0, 80);
    EXPECT_EQ(reader.Feed("more", sink), 0u);
  }
}

}  // namespace
}  // namespace tandem
