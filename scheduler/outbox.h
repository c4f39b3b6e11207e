#pragma once
// One request's way back: the engine loop pushes events, the connection drains them. `notify` is
// called (on the engine thread, without a lock held) when the box goes from empty to non-empty. It
// must not block, and owns what it touches: the connection may have drained the last event before
// the call is over. What it throws is ignored.

#include <functional>
#include <mutex>
#include <vector>

#include "scheduler/request.h"

namespace tandem {

class Outbox {
 public:
  explicit Outbox(std::function<void()> notify) : notify_(std::move(notify)) {}

  void Push(TokenEvent event);      // engine thread
  std::vector<TokenEvent> Drain();  // connection's thread; may be empty

 private:
  std::mutex mutex_;
  std::vector<TokenEvent> events_;
  std::function<void()> notify_;
};

}  // namespace tandem
