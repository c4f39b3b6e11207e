#include "api/http/connection.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "api/http/framing.h"
#include "api/http/request_parser.h"

namespace tandem {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr size_t kMaxPipelinedBytes = 64 * 1024;
constexpr int kClientLeft = 499;

// RFC 9112 2.2: empty lines before a request line are ignored.
void DropEmptyLines(std::string& input) {
  size_t size = 0;
  while (input.compare(size, 2, "\r\n") == 0) size += 2;
  input.erase(0, size);
}

HttpFault HeadTooLarge(const HttpLimits& limits) {
  return HttpFault{431, "the request's head is larger than the limit of " +
                            std::to_string(limits.max_header_bytes) + " bytes"};
}

}  // namespace

asio::awaitable<void> Connection::Run() {
  const auto self = shared_from_this();
  Next next = co_await Start();
  while (next == Next::kContinue && !context_.closing) next = co_await ServeOne();
  co_await End(next);
}

asio::awaitable<void> Connection::RunRefusal(int status, std::string message) {
  const auto self = shared_from_this();
  Next next = co_await Start();
  if (next == Next::kContinue) {
    HttpRequest request;
    request.id = NewRequestId();
    const HttpResponse response = context_.handler.Refuse(status, message);
    next = co_await Refuse(request, response);
  }
  co_await End(next);
}

asio::awaitable<Connection::Next> Connection::Start() {
  idle_ = true;
  const Transport::Status status = co_await channel_->Handshake();
  idle_ = false;
  if (status == Transport::Status::kDone) co_return Next::kContinue;
  if (status != Transport::Status::kPlainHttp) co_return Next::kClose;
  HttpRequest request;
  request.id = NewRequestId();
  const HttpResponse response =
      context_.handler.Refuse(400, "this port speaks HTTP over TLS only; use https://");
  co_return co_await Refuse(request, response);
}

asio::awaitable<void> Connection::End(Next how) {
  if (how == Next::kCut) co_return channel_->Reset();
  const bool unread = channel_->can_write() && channel_->HasUnreadInput();
  if (how == Next::kLinger || unread) co_await Linger();
  channel_->Close();
}

void Connection::CloseIfIdle() {
  if (idle_) channel_->Close();
}

void Connection::Abort() {
  const bool unfinished = reply_ != nullptr;
  reply_.reset();
  if (unfinished) return channel_->Reset();
  channel_->Close();
}

asio::awaitable<Connection::Next> Connection::ServeOne() {
  const bool has_bytes = co_await AwaitFirstBytes();
  if (!has_bytes) co_return Next::kClose;

  HttpRequest request;
  request.id = NewRequestId();
  RequestParser parser(context_.limits);
  std::optional<HttpFault> fault = co_await ReadHead(parser, request);
  if (!fault) {
    if (const auto refusal = context_.handler.CheckHead(request)) {
      if (!parser.body_done()) co_return co_await Refuse(request, *refusal);
      co_return co_await SendWhole(request, *refusal);
    }
    fault = co_await ReadBody(parser, request);
  }
  if (fault) {
    const HttpResponse response = context_.handler.Refuse(fault->status, fault->message);
    co_return co_await Refuse(request, response);
  }
  co_return co_await Answer(request);
}

asio::awaitable<bool> Connection::AwaitFirstBytes() {
  DropEmptyLines(channel_->input());
  idle_ = true;
  channel_->ReleaseBuffers();
  channel_->SetDeadline(context_.limits.idle_timeout);
  while (channel_->input().empty() || channel_->input() == "\r") {
    const bool more = co_await channel_->ReadMore();
    if (!more) break;
    DropEmptyLines(channel_->input());
  }
  idle_ = false;
  co_return !channel_->input().empty() && channel_->can_write();
}

// Why ReadMore gave nothing.
HttpFault Connection::FaultOfRead() const {
  if (channel_->timed_out()) return HttpFault{408, "the request did not arrive in time"};
  return HttpFault{kClientLeft, "the client left before the request was complete"};
}

asio::awaitable<std::optional<HttpFault>> Connection::ReadHead(RequestParser& parser,
                                                               HttpRequest& request) {
  const HttpLimits& limits = context_.limits;
  std::string& input = channel_->input();
  channel_->SetDeadline(limits.header_timeout);
  size_t end = std::string::npos;
  size_t searched = 0;  // up to here there is no end
  while (true) {
    // Other protocols never send the end of a head; they need not wait for the deadline.
    if (auto fault = CheckRequestLine(input, limits)) co_return fault;
    end = input.find(kHeadEnd, searched);
    if (end != std::string::npos) break;
    if (input.size() > limits.max_header_bytes) co_return HeadTooLarge(limits);
    searched = input.size() - std::min(input.size(), kHeadEnd.size() - 1);
    const bool more = co_await channel_->ReadMore();
    if (!more) co_return FaultOfRead();
  }
  if (end + kHeadEnd.size() > limits.max_header_bytes) co_return HeadTooLarge(limits);

  const std::string head = input.substr(0, end + kHeadEnd.size());
  input.erase(0, head.size());
  request.received = std::chrono::steady_clock::now();
  auto fault = parser.ParseHead(head, request);
  const std::string_view id = request.Header("x-request-id");
  if (IsSaneRequestId(id)) request.id = id;
  co_return fault;
}

asio::awaitable<std::optional<HttpFault>> Connection::ReadBody(RequestParser& parser,
                                                               HttpRequest& request) {
  if (parser.body_done()) co_return std::nullopt;
  std::string& input = channel_->input();
  channel_->SetDeadline(context_.limits.body_timeout);
  if (parser.expects_continue() && input.empty()) {
    channel_->output() = "HTTP/1.1 100 Continue\r\n\r\n";
    const bool sent = co_await channel_->Flush();
    // Whoever does not even take this reads no refusal either.
    if (!sent) co_return HttpFault{kClientLeft, "the client does not read"};
    channel_->SetDeadline(context_.limits.body_timeout);
  }
  while (true) {
    if (!input.empty()) {
      if (auto fault = parser.PutBody(input)) co_return fault;
    }
    if (parser.body_done()) break;
    const bool more = co_await channel_->ReadMore();
    if (!more) co_return FaultOfRead();
  }
  request.body = parser.TakeBody();
  co_return std::nullopt;
}

Reply Connection::CallHandler(HttpRequest& request) {
  try {
    return context_.handler.Handle(request, channel_->MakeWaker());
  } catch (const std::exception& error) {
    context_.handler.Failed(error.what());
    return context_.handler.Refuse(500, "the server failed to answer this request");
  }
}

asio::awaitable<Connection::Next> Connection::Answer(HttpRequest& request) {
  channel_->ClearDeadline();
  Reply reply = CallHandler(request);
  request.body = std::string();  // it may be large, and the answer may take long
  if (const auto* response = std::get_if<HttpResponse>(&reply)) {
    co_return co_await SendWhole(request, *response);
  }
  reply_ = std::move(std::get<std::unique_ptr<PendingReply>>(reply));
  const Next next = co_await SendPending(request);
  reply_.reset();
  co_return next;
}

asio::awaitable<Connection::Next> Connection::SendWhole(const HttpRequest& request,
                                                        const HttpResponse& response) {
  const bool keep_alive = request.keep_alive && !context_.closing;
  framing_ = BodyFraming::kLength;
  AppendHeadOf(request, response, keep_alive);
  if (request.method != "HEAD") channel_->output().append(response.body);
  const bool sent = co_await channel_->Flush();
  context_.handler.Finished(request, sent ? response.status : kClientLeft);
  if (!sent) co_return Next::kCut;
  co_return keep_alive ? Next::kContinue : Next::kClose;
}

asio::awaitable<Connection::Next> Connection::Refuse(HttpRequest& request,
                                                     const HttpResponse& response) {
  request.keep_alive = false;
  if (response.status == kClientLeft) {
    context_.handler.Finished(request, kClientLeft);
    co_return Next::kClose;
  }
  channel_->ForgetTimeout();
  const Next next = co_await SendWhole(request, response);
  co_return next == Next::kCut ? next : Next::kLinger;
}

// Closing with unread bytes in the socket would reset it, and the client would lose our answer.
asio::awaitable<void> Connection::Linger() {
  channel_->ShutdownSend();
  channel_->SetDeadline(context_.limits.linger_timeout);
  bool more = true;
  while (more) {
    channel_->input().clear();
    more = co_await channel_->ReadMore();
  }
}

void Connection::PollReply(ReplySink& sink) {
  try {
    reply_->Poll(sink);
  } catch (const std::exception& error) {
    context_.handler.Failed(error.what());
    if (status_ == 0) {
      sink.Whole(context_.handler.Refuse(500, "the server failed to answer this request"));
    } else {
      sink.Break();
    }
  }
}

void Connection::AppendHeadOf(const HttpRequest& request, const HttpResponse& response,
                              bool keep_alive) {
  const std::vector<HttpHeader> headers = context_.handler.HeadersFor(request);
  AppendHead({response, request.id, framing_, keep_alive, headers}, channel_->output());
}

void Connection::AppendBody(std::string_view bytes) {
  if (head_only_) return;
  if (framing_ == BodyFraming::kChunked) {
    AppendChunk(bytes, channel_->output());
  } else {
    channel_->output().append(bytes);
  }
}

void Connection::TakeOutput(const HttpRequest& request, ReplySink& sink) {
  if (const auto head = sink.TakeHead()) {
    const BodyFraming stream = request.http10 ? BodyFraming::kClose : BodyFraming::kChunked;
    framing_ = sink.streaming() ? stream : BodyFraming::kLength;
    status_ = head->status;
    event_stream_ = head->content_type.starts_with("text/event-stream");
    const bool keep_alive =
        request.keep_alive && !context_.closing && framing_ != BodyFraming::kClose;
    AppendHeadOf(request, *head, keep_alive);
    AppendBody(head->body);
  }
  AppendBody(sink.bytes());
  if (sink.ended() && !sink.broken() && framing_ == BodyFraming::kChunked && !head_only_) {
    channel_->output().append(kLastChunk);
  }
  sink.bytes().clear();
}

bool Connection::IsTooSlow(const ReplySink& sink) const {
  return sink.streaming() && channel_->writing() &&
         channel_->output().size() > context_.limits.max_pending_bytes;
}

asio::awaitable<Connection::Next> Connection::SendPending(const HttpRequest& request) {
  using std::chrono::steady_clock;
  const HttpLimits& limits = context_.limits;
  const auto interval = limits.keep_alive_interval;
  ReplySink sink;
  status_ = 0;
  event_stream_ = false;
  head_only_ = request.method == "HEAD";
  auto last_output = steady_clock::now();
  while (true) {
    const bool silent = interval.count() > 0 && steady_clock::now() - last_output >= interval;
    if (!sink.ended()) {
      PollReply(sink);
      if (silent || !sink.HoldsHead()) TakeOutput(request, sink);
    }
    if (silent && event_stream_ && !channel_->writing() && channel_->output().empty()) {
      AppendBody(": keep-alive\n\n");
    }
    if (!channel_->output().empty()) last_output = steady_clock::now();
    channel_->StartWrite();
    if (sink.ended() && !channel_->writing() && channel_->output().empty()) break;
    if (!channel_->can_write() || IsTooSlow(sink)) break;
    if (channel_->peer_closed() && !sink.ended()) break;
    if (channel_->input().size() < kMaxPipelinedBytes) channel_->StartRead();
    const bool beats = (event_stream_ || sink.HoldsHead()) && interval.count() > 0;
    const auto longest = sink.ended() ? Channel::Milliseconds::max() : reply_->PollInterval();
    co_await channel_->WaitEvent(beats ? std::min(interval, longest) : longest);
    if (!reply_) break;  // Abort
  }
  const bool complete =
      sink.ended() && !channel_->writing() && channel_->output().empty() && channel_->can_write();
  context_.handler.Finished(request, complete ? status_ : kClientLeft);
  if (!complete && reply_ && status_ == 0) {
    co_await ExplainHalfClose(request);
    co_return Next::kClose;
  }
  if (!complete || sink.broken()) co_return Next::kCut;
  const bool keep_alive = request.keep_alive && !sink.close() && framing_ != BodyFraming::kClose;
  co_return keep_alive ? Next::kContinue : Next::kClose;
}

// To a client that has really gone this costs one packet.
asio::awaitable<void> Connection::ExplainHalfClose(const HttpRequest& request) {
  reply_.reset();
  const HttpResponse response = context_.handler.Refuse(
      400,
      "the client closed its side of the connection before the answer was there, which cancels the "
      "request; keep it open until then");
  framing_ = BodyFraming::kLength;
  AppendHeadOf(request, response, false);
  AppendBody(response.body);
  co_await channel_->Flush();
}

std::string Connection::NewRequestId() {
  std::array<char, 40> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "req-%016llx%08llx",
                    static_cast<unsigned long long>(context_.id_source()),
                    static_cast<unsigned long long>(context_.id_source() & 0xffffffffu));
  return std::string(text.data(), static_cast<size_t>(length));
}

}  // namespace tandem
