#pragma once
// An OpenAI-like server with known latencies, on a thread of its own. It writes down when each
// request was whole and when it gave each first and last piece to its socket, by the clock that the
// client reads too: what it measured is the truth that a client is held to.

#include <atomic>
#include <boost/asio.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tandem {

struct MockAnswer {
  enum class Kind { kStream, kWhole, kStatus, kBreak, kErrorEvent, kSilent, kGarbage };

  Kind kind = Kind::kStream;
  int status = 200;                     // kStatus
  std::chrono::milliseconds first{20};  // from the request to the first piece
  std::chrono::milliseconds gap{5};     // between pieces
  int num_pieces = 5;
  bool has_usage = true;
  bool has_token_ids = false;      // and as many as max_tokens asks for, instead of num_pieces
  bool closes_afterwards = false;  // without having said so
};

struct MockRecord {
  using Time = std::chrono::steady_clock::time_point;

  std::string body;
  Time received, first_sent, last_sent;
  bool was_left = false;  // the client went before the end
};

class MockServer {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  explicit MockServer(MockAnswer answer) : answer_(answer) {
    boost::asio::co_spawn(io_, Accept(), boost::asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~MockServer() {
    io_.stop();
    thread_.join();
  }
  MockServer(const MockServer&) = delete;

  uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // From `after` the next generation on, nothing is sent for `length`.
  void StallAfter(Milliseconds after, Milliseconds length) {
    stall_after_ = after;
    stall_length_ = length;
  }
  // What was asked for a generation, in the order of arrival.
  std::vector<MockRecord> Records() {
    const std::scoped_lock lock(mutex_);
    return records_;
  }
  int num_connections() const { return num_connections_; }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  template <typename T>
  using Task = boost::asio::awaitable<T>;

  Task<void> Accept() {
    for (;;) {
      Socket socket = co_await acceptor_.async_accept(boost::asio::use_awaitable);
      socket.set_option(boost::asio::ip::tcp::no_delay(true));
      ++num_connections_;
      boost::asio::co_spawn(io_, Serve(std::move(socket)), boost::asio::detached);
    }
  }

  Task<void> Serve(Socket socket) {
    std::string input;
    try {
      while (co_await ServeOne(socket, input)) {
      }
    } catch (const boost::system::system_error&) {  // the client is gone
    }
  }

  Task<bool> ServeOne(Socket& socket, std::string& input) {
    const size_t head = co_await boost::asio::async_read_until(
        socket, boost::asio::dynamic_buffer(input), "\r\n\r\n", boost::asio::use_awaitable);
    const std::string target = input.substr(0, input.find(" HTTP/"));
    size_t length = 0;
    if (const size_t at = input.find("Content-Length: "); at < head) {
      length = std::stoul(input.substr(at + 16));
    }
    while (input.size() < head + length) {
      std::string more(4096, '\0');
      const size_t size =
          co_await socket.async_read_some(boost::asio::buffer(more), boost::asio::use_awaitable);
      input.append(more, 0, size);
    }
    const std::string body = input.substr(head, length);
    input.erase(0, head + length);
    if (target == "GET /v1/models") {
      co_await Send(socket, Whole(200, R"({"data":[{"id":"mock-model"}]})"));
    } else if (target == "GET /version") {
      co_await Send(socket, Whole(200, R"({"version":"mock 1"})"));
    } else {
      co_return co_await Generate(socket, body);
    }
    co_return true;
  }

  static int NumAsked(const std::string& body) {
    const size_t at = body.find("\"max_tokens\":");
    return at == body.npos ? 0 : std::stoi(body.substr(at + 13));
  }
  static std::string Whole(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static std::string Chunk(const std::string& data) {
    char size[20];
    std::snprintf(size, sizeof(size), "%zx\r\n", data.size());
    return size + data + "\r\n";
  }
  Task<void> Send(Socket& socket, const std::string& text) {
    co_await boost::asio::async_write(socket, boost::asio::buffer(text),
                                      boost::asio::use_awaitable);
  }

  Task<void> WaitUntil(Clock::time_point time) {
    const Clock::time_point stall = first_request_ + stall_after_.load();
    if (time >= stall && time < stall + stall_length_.load()) time = stall + stall_length_.load();
    boost::asio::steady_timer timer(io_, time);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }

  template <typename Change>
  void Note(size_t index, Change&& change) {
    const std::scoped_lock lock(mutex_);
    change(records_[index]);
  }

  Task<bool> Generate(Socket& socket, const std::string& body) {
    const Clock::time_point received = Clock::now();
    size_t index = 0;
    {
      const std::scoped_lock lock(mutex_);
      if (records_.empty()) first_request_ = received;
      index = records_.size();
      records_.push_back({.body = body, .received = received});
    }
    using Kind = MockAnswer::Kind;
    const MockAnswer& answer = answer_;
    if (answer.kind == Kind::kStream || answer.kind == Kind::kBreak ||
        answer.kind == Kind::kErrorEvent) {
      co_return co_await Stream(socket, index);
    }
    if (answer.kind == Kind::kSilent) {
      co_await WaitUntil(received + std::chrono::seconds(60));
      co_return false;
    }
    if (answer.has_token_ids && body.find("\"stream\":true") != body.npos) {
      co_return co_await Stream(socket, index);
    }
    co_await WaitUntil(received + answer.first);
    if (answer.kind == Kind::kGarbage) {
      co_await Send(socket, "hello, this is no HTTP\r\n");
    } else if (answer.kind == Kind::kStatus) {
      co_await Send(socket, Whole(answer.status, R"({"error":{"message":"mock says no"}})"));
    } else {
      Note(index, [](MockRecord& record) { record.last_sent = Clock::now(); });
      const std::string ids = answer.has_token_ids ? R"(,"token_ids":[7])" : "";
      co_await Send(socket,
                    Whole(200, R"({"choices":[{"text":"whole","finish_reason":"stop")" + ids +
                                   R"(}],"usage":{"prompt_tokens":3,"completion_tokens":7}})"));
    }
    co_return true;
  }

  Task<bool> Stream(Socket& socket, size_t index) {
    const MockAnswer& answer = answer_;
    Clock::time_point start;
    int num_pieces = answer.num_pieces;
    Note(index, [&](const MockRecord& record) {
      start = record.received;
      if (answer.has_token_ids) num_pieces = NumAsked(record.body);
    });
    co_await Send(socket,
                  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < num_pieces; ++i) {
      co_await WaitUntil(start + answer.first + i * answer.gap);
      const bool breaks =
          answer.kind == MockAnswer::Kind::kBreak || answer.kind == MockAnswer::Kind::kErrorEvent;
      if (breaks && i == num_pieces / 2) {
        if (answer.kind == MockAnswer::Kind::kErrorEvent) {
          co_await Send(socket,
                        Chunk("data: {\"error\":{\"message\":\"mock broke\"}}\n\n") + "0\r\n\r\n");
        }
        co_return answer.kind == MockAnswer::Kind::kErrorEvent;
      }
      const bool is_last = i + 1 == num_pieces;
      const std::string ids =
          answer.has_token_ids ? ",\"token_ids\":[" + std::to_string(100 + i) + "]" : "";
      std::string text = Chunk(std::string("data: {\"choices\":[{\"text\":\" w\",\"delta\":"
                                           "{\"content\":\"\"},\"finish_reason\":") +
                               (is_last ? "\"length\"" : "null") + ids + "}],\"usage\":null}\n\n");
      if (is_last) {
        if (answer.has_usage) {
          text += Chunk(
              "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
              "\"completion_tokens\":" +
              std::to_string(num_pieces) + "}}\n\n");
        }
        text += Chunk("data: [DONE]\n\n") + "0\r\n\r\n";
      }
      Note(index, [i](MockRecord& record) {
        record.last_sent = Clock::now();
        if (i == 0) record.first_sent = record.last_sent;
      });
      try {
        co_await Send(socket, text);
      } catch (const boost::system::system_error&) {
        Note(index, [](MockRecord& record) { record.was_left = true; });
        throw;
      }
    }
    co_return !answer.closes_afterwards;
  }

  const MockAnswer answer_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_{
      io_, boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  const uint16_t port_ = acceptor_.local_endpoint().port();
  std::atomic<Milliseconds> stall_after_ = Milliseconds(0);
  std::atomic<Milliseconds> stall_length_ = Milliseconds(0);
  std::atomic<int> num_connections_ = 0;
  Clock::time_point first_request_;
  std::mutex mutex_;
  std::vector<MockRecord> records_;
  std::thread thread_;
};

}  // namespace tandem
