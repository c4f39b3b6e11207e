#pragma once
// What a route answers with: a response, or a PendingReply that the connection polls on the I/O
// thread each time its waker was called. Routes never see sockets.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "api/http/message.h"

namespace tandem {

// Asks the connection to poll again. Any thread may call it, also after the connection is gone.
using Waker = std::function<void()>;

// Where a pending reply puts what it has: one whole response, or a head, bytes, and the end.
class ReplySink {
 public:
  void Whole(HttpResponse response) {
    head_ = std::move(response);
    streaming_ = false;
    ended_ = true;
  }
  // The head of a stream; `response.body` is its first bytes. Without any, the connection holds the
  // head until there is a byte to send, or until a client has waited long enough for a sign of
  // life: while HoldsHead, Whole may still take its place.
  void Begin(HttpResponse response) {
    head_ = std::move(response);
    streaming_ = true;
  }
  bool HoldsHead() const {
    return streaming_ && !ended_ && head_.has_value() && head_->body.empty() && bytes_.empty();
  }
  void Write(std::string_view bytes) { bytes_.append(bytes); }
  std::string& bytes() { return bytes_; }  // to append to; the connection takes it after each poll
  void End() { ended_ = true; }
  // The stream ends because of an error that it has told: the connection closes after it.
  void EndAndClose() {
    ended_ = true;
    close_ = true;
  }
  // The stream ends where it must not: the client is not to take what it has for all.
  void Break() {
    EndAndClose();
    broken_ = true;
  }
  bool ended() const { return ended_; }
  bool streaming() const { return streaming_; }

  // The connection's side.
  bool close() const { return close_; }
  bool broken() const { return broken_; }
  std::optional<HttpResponse> TakeHead() { return std::exchange(head_, std::nullopt); }

 private:
  std::optional<HttpResponse> head_;
  std::string bytes_;
  bool streaming_ = false;
  bool ended_ = false;
  bool close_ = false;
  bool broken_ = false;
};

// Work behind an answer. Owned by its connection and used on the I/O thread only; destroying it
// before it ended cancels the work.
class PendingReply {
 public:
  virtual ~PendingReply() = default;
  // Moves what is ready into `sink`; returns at once.
  virtual void Poll(ReplySink& sink) = 0;
  // Polled at least this often, also when nobody calls the waker.
  virtual std::chrono::milliseconds PollInterval() const {
    return std::chrono::milliseconds::max();
  }
};

using Reply = std::variant<HttpResponse, std::unique_ptr<PendingReply>>;

}  // namespace tandem
