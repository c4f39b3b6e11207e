#pragma once
// One client's connection: a coroutine that reads a request, has it answered, and goes on or
// closes. Created by HttpServer, shared by it and by the running coroutine; used on the I/O thread
// only.
//
// While an answer is being made a read stays outstanding, so that a client that leaves is noticed
// at once, in every phase. Bytes that arrive early (pipelining) wait for their turn.
//
// A client that closes its sending side has left, too: the two look the same until we write, and
// work for nobody must end at once. It still gets what is ready, and 400 for what is not.

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "api/http/channel.h"
#include "api/http/handler.h"
#include "api/http/limits.h"
#include "api/http/response_head.h"

namespace tandem {

class RequestParser;

// What the connections of one server share.
struct ConnectionContext {
  const HttpLimits& limits;
  HttpHandler& handler;
  std::mt19937_64 id_source{std::random_device{}()};
  bool closing = false;  // set on the I/O thread: finish the running request, then close
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Channel> channel, ConnectionContext& context)
      : channel_(std::move(channel)), context_(context) {}

  boost::asio::awaitable<void> Run();
  // Answers without reading anything: the server is full.
  boost::asio::awaitable<void> RunRefusal(int status, std::string message);

  void CloseIfIdle();  // between requests: closes
  void Abort();        // drops the running request's work and closes the socket

 private:
  enum class Next : uint8_t {
    kContinue,
    kClose,
    kLinger,  // close, once the client has seen our answer
    kCut,     // the answer is not complete, and the client shall see that
  };

  boost::asio::awaitable<Next> Start();
  boost::asio::awaitable<Next> ServeOne();
  boost::asio::awaitable<void> End(Next how);
  boost::asio::awaitable<bool> AwaitFirstBytes();
  boost::asio::awaitable<std::optional<HttpFault>> ReadHead(RequestParser& parser,
                                                            HttpRequest& request);
  boost::asio::awaitable<std::optional<HttpFault>> ReadBody(RequestParser& parser,
                                                            HttpRequest& request);
  boost::asio::awaitable<Next> Answer(HttpRequest& request);
  boost::asio::awaitable<Next> SendWhole(const HttpRequest& request, const HttpResponse& response);
  boost::asio::awaitable<Next> SendPending(const HttpRequest& request);
  boost::asio::awaitable<Next> Refuse(HttpRequest& request, const HttpResponse& response);
  boost::asio::awaitable<void> Linger();

  boost::asio::awaitable<void> ExplainHalfClose(const HttpRequest& request);

  Reply CallHandler(HttpRequest& request);
  void PollReply(ReplySink& sink);
  void TakeOutput(const HttpRequest& request, ReplySink& sink);
  void AppendBody(std::string_view bytes);
  bool IsTooSlow(const ReplySink& sink) const;
  void AppendHeadOf(const HttpRequest& request, const HttpResponse& response, bool keep_alive);
  HttpFault FaultOfRead() const;
  std::string NewRequestId();

  std::shared_ptr<Channel> channel_;
  ConnectionContext& context_;
  bool idle_ = false;                    // between requests
  std::unique_ptr<PendingReply> reply_;  // of the running request

  // Of the head that was sent for the running request; 0 before.
  int status_ = 0;
  BodyFraming framing_ = BodyFraming::kLength;
  bool event_stream_ = false;
  bool head_only_ = false;  // the running request's method is HEAD
};

}  // namespace tandem
