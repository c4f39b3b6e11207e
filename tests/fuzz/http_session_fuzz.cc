// A whole connection: bytes in pieces go to a Connection over a socket pair, its handler echoes.
// Every answer can be read, belongs to the request it stands for, and there are no others; what the
// pieces are makes no difference; and the connection ends when its client does.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <deque>
#include <string>

#include "api/http/connection.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

constexpr HttpLimits kLimits{.max_header_bytes = 1024,
                             .max_headers = 8,
                             .max_body_bytes = 512,
                             .max_chunks = 6,
                             .max_chunk_header_bytes = 32,
                             .keep_alive_interval = std::chrono::milliseconds(0)};

// A request that reached the handler, and what of it is to be seen in its answer.
struct Handled {
  std::string id;
  std::string method;
  std::string text;  // method, target and body
};

// Sends `text` in two polls, as a stream or whole; or throws on the way.
class LateReply : public PendingReply {
 public:
  enum class How : uint8_t { kWhole, kStream, kBroken };
  LateReply(How how, std::string text, Waker wake)
      : how_(how), text_(std::move(text)), wake_(std::move(wake)) {
    wake_();
  }
  void Poll(ReplySink& sink) override {
    ++num_polls_;
    if (how_ == How::kWhole) {
      if (num_polls_ == 2) sink.Whole({.body = text_});
    } else if (num_polls_ == 1) {
      sink.Begin({.content_type = "text/event-stream", .body = text_.substr(0, 3)});
    } else {
      CHECK(how_ == How::kStream);  // kBroken: the connection survives what a route throws
      sink.Write(std::string_view(text_).substr(std::min<size_t>(3, text_.size())));
      sink.End();
    }
    wake_();
  }

 private:
  How how_;
  std::string text_;
  Waker wake_;
  int num_polls_ = 0;
};

class EchoHandler : public HttpHandler {
 public:
  struct Ended {
    std::string id;
    std::string method;
    int status;
  };

  std::optional<HttpResponse> CheckHead(const HttpRequest& request) override {
    if (request.path != "/refused") return std::nullopt;
    return HttpResponse{.status = 401, .body = request.id};
  }
  Reply Handle(HttpRequest& request, Waker wake) override {
    using How = LateReply::How;
    std::string text = request.method + " " + request.path + "?" + request.query + "\n";
    text += request.body;
    handled.push_back({request.id, request.method, text});
    if (request.path == "/throw") throw std::runtime_error("as asked");
    std::string body = request.id + " " + text;
    if (request.path == "/whole") return Late(How::kWhole, body, wake);
    if (request.path == "/stream") return Late(How::kStream, body, wake);
    if (request.path == "/broken") return Late(How::kBroken, body, wake);
    if (request.path == "/none") return HttpResponse{.status = 204, .content_type = ""};
    return HttpResponse{.body = std::move(body)};
  }
  std::vector<HttpHeader> HeadersFor(const HttpRequest&) override { return {{"X-All", "1"}}; }
  HttpResponse Refuse(int status, std::string_view message) override {
    CHECK(status >= 400 && status < 600 && !message.empty(), status);
    return {.status = status, .body = std::string(message)};
  }
  void Failed(std::string_view) override {}
  void Finished(const HttpRequest& request, int status) override {
    ended.push_back({request.id, request.method, status});
  }

  std::vector<Handled> handled;
  std::vector<Ended> ended;  // handled or refused, in the order of the answers

 private:
  static Reply Late(LateReply::How how, std::string text, Waker wake) {
    return std::make_unique<LateReply>(how, std::move(text), std::move(wake));
  }
};

// One connection and its client. The client's side never blocks, and the server's side runs only in
// Run, so everything happens in one order.
class Session {
 public:
  Session() {
    std::array<int, 2> ends{};
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    client_ = ends[0];
    Channel::Socket socket(*io_);
    socket.assign(boost::asio::generic::stream_protocol(AF_UNIX, 0), ends[1]);
    const auto connection = std::make_shared<Connection>(
        std::make_shared<Channel>(io_, std::move(socket), MakePlainTransport(ends[1]), kLimits),
        context_);
    boost::asio::co_spawn(*io_, connection->Run(), [this, connection](std::exception_ptr error) {
      CHECK(!error);
      over_ = true;
    });
    Run();
  }
  ~Session() { ::close(client_); }

  void Send(std::string_view bytes) {
    // What the server has closed takes nothing more.
    while (!bytes.empty()) {
      const ssize_t size = ::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) break;
      bytes.remove_prefix(static_cast<size_t>(size));
      Run();
    }
  }
  void End() {
    ::shutdown(client_, SHUT_WR);
    Run();
    CHECK(over_);
  }

  EchoHandler handler;
  std::string output;

 private:
  void Run() {
    std::array<char, 4096> bytes;
    bool moves = true;
    while (moves) {
      io_->restart();
      moves = io_->poll() > 0;
      for (ssize_t size; (size = ::recv(client_, bytes.data(), bytes.size(), 0)) > 0;) {
        output.append(bytes.data(), static_cast<size_t>(size));
        moves = true;
      }
    }
  }

  // One for all sessions: to close an epoll descriptor takes longer than the rest of a session.
  static const std::shared_ptr<boost::asio::io_context>& SharedIo() {
    static const auto io = std::make_shared<boost::asio::io_context>(1);
    return io;
  }

  std::shared_ptr<boost::asio::io_context> io_ = SharedIo();
  ConnectionContext context_{.limits = kLimits, .handler = handler, .id_source{}};
  int client_ = -1;
  bool over_ = false;
};

struct Answer {
  int status = 0;
  std::string id;
  std::string body;
  bool closes = false;
  bool complete = false;
  bool lasts_until_close = false;  // no length and no chunks: its end alone does not show a break
};

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find("\r\n");
  CHECK(end != std::string_view::npos, text);
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

size_t ToSize(std::string_view text, int base) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  CHECK(error == std::errc() && end == text.data() + text.size(), text);
  return value;
}

// Chunks up to the last; a stream that broke has none.
void TakeChunks(std::string_view& text, Answer& answer) {
  while (!text.empty()) {
    const size_t size = ToSize(TakeLine(text), 16);
    CHECK(text.size() >= size + 2 && text.substr(size, 2) == "\r\n");
    answer.body.append(text.substr(0, size));
    text.remove_prefix(size + 2);
    answer.complete = size == 0;
    if (answer.complete) return;
  }
}

Answer TakeAnswer(std::string_view& text, bool is_head) {
  Answer answer;
  const std::string_view status_line = TakeLine(text);
  CHECK(status_line.starts_with("HTTP/1.1 "), status_line);
  answer.status = static_cast<int>(ToSize(status_line.substr(9, 3), 10));
  std::optional<size_t> length;
  bool chunked = false;
  for (auto line = TakeLine(text); !line.empty(); line = TakeLine(text)) {
    const size_t colon = line.find(": ");
    CHECK(colon != std::string_view::npos, line);
    const std::string_view name = line.substr(0, colon), value = line.substr(colon + 2);
    if (name == "x-request-id") answer.id = value;
    if (name == "Content-Length") length = ToSize(value, 10);
    if (name == "Transfer-Encoding") chunked = value == "chunked";
    if (name == "Connection") answer.closes = value == "close";
  }
  CHECK(!(length && chunked));
  answer.complete = true;
  if (is_head || answer.status == 204 || answer.status == 100) return answer;
  if (chunked) {
    answer.complete = false;
    TakeChunks(text, answer);
  } else if (length) {
    CHECK(text.size() >= *length, *length);
    answer.body = text.substr(0, *length);
    text.remove_prefix(*length);
  } else {
    answer.body = text;
    answer.lasts_until_close = true;
    text = {};
  }
  return answer;
}

std::vector<Answer> CheckAnswers(const Session& session) {
  std::deque<Handled> handled(session.handler.handled.begin(), session.handler.handled.end());
  std::vector<Answer> answers;
  std::string_view rest = session.output;
  bool closed = false;
  for (const EchoHandler::Ended& ended : session.handler.ended) {
    const bool is_next = !handled.empty() && handled.front().id == ended.id;
    if (rest.empty()) break;  // the client left: no answer
    CHECK(!closed);
    Answer answer = TakeAnswer(rest, ended.method == "HEAD");
    if (answer.status == 100) {
      if (rest.empty()) break;  // the client left instead of sending the body
      answer = TakeAnswer(rest, ended.method == "HEAD");
    }
    CHECK(answer.id == ended.id, answer.id, ended.id);
    CHECK(answer.status == ended.status || ended.status == 499, answer.status, ended.status);
    if (is_next && ended.status == 200 && ended.method != "HEAD") {
      const std::string echo = ended.id + " " + handled.front().text;
      const bool may_break = answer.lasts_until_close && echo.find(" /broken?") != echo.npos;
      const bool is_whole = answer.complete && !may_break;
      CHECK(is_whole ? answer.body == echo : echo.starts_with(answer.body), answer.body);
    }
    if (is_next) handled.pop_front();
    closed = answer.closes || !answer.complete;
    answers.push_back(std::move(answer));
  }
  CHECK(handled.empty() && rest.empty(), rest);
  return answers;
}

size_t CountHeads(std::string_view bytes) {
  size_t count = 0;
  for (size_t at = 0; (at = bytes.find("\r\n\r\n", at)) != std::string_view::npos; ++at) ++count;
  return count;
}

// The texts of what the handler got: a request that appears by one way of cutting only was
// smuggled.
std::vector<std::string> Converse(std::string_view bytes, size_t step) {
  Session session;
  const size_t num_heads = CountHeads(bytes);
  while (!bytes.empty()) {
    session.Send(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  session.End();
  const std::vector<Answer> answers = CheckAnswers(session);
  CHECK(answers.size() <= num_heads + 1 && session.handler.handled.size() <= num_heads);
  std::vector<std::string> texts;
  for (const Handled& handled : session.handler.handled) texts.push_back(handled.text);
  return texts;
}

}  // namespace
}  // namespace tandem

// The first byte says how the others are cut: by its lower six bits, 0 for not at all.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  FuzzInput input(data, std::min<size_t>(size, 4096));
  const size_t step = input.TakeByte() & 63;
  const std::string_view bytes = input.TakeRest();
  const auto whole = Converse(bytes, std::max<size_t>(bytes.size(), 1));
  if (step == 0) return 0;
  CHECK(Converse(bytes, step) == whole);
  return 0;
}
