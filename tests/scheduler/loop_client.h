#pragma once
// What tests of the engine's loop share: a request's connection, and a gate inside a step.

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "scheduler/engine_loop.h"
#include "tests/scheduler/harness.h"

namespace tandem {

// Only a broken loop, or a machine that stands still, needs it.
inline constexpr std::chrono::seconds kPatience{300};

// Shared with the notify function, which may still run when the client has seen its last event.
struct Signal {
  std::mutex mutex;
  std::condition_variable changed;
  bool notified = false;
};

// One request's connection: waits for events and keeps them.
class Client {
 public:
  explicit Client(const Request& request_sent)
      : request(std::make_shared<const Request>(request_sent)),
        outbox(std::make_shared<Outbox>([signal = signal_] {
          const std::lock_guard lock(signal->mutex);
          signal->notified = true;
          signal->changed.notify_all();
        })) {}

  std::optional<Rejection> SubmitTo(EngineLoop& loop) { return loop.Submit(request, outbox); }
  bool WaitForTokens(size_t num_tokens) {
    return Wait([&] { return got.tokens.size() >= num_tokens || got.ended(); });
  }
  bool WaitForEnd() {
    return Wait([&] { return got.ended(); });
  }

 private:
  template <typename Condition>
  bool Wait(Condition condition) {
    const auto deadline = Clock::now() + kPatience;
    for (;;) {
      got.Take(outbox->Drain());
      if (condition()) return true;
      std::unique_lock lock(signal_->mutex);
      if (!signal_->changed.wait_until(lock, deadline, [&] { return signal_->notified; })) {
        return false;
      }
      signal_->notified = false;
    }
  }

  std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();

 public:
  std::shared_ptr<const Request> request;
  std::shared_ptr<Outbox> outbox;
  Received got;
};

// Of a request that has ended: one end, nothing after it, and of what the runner says to it all, or
// where it was cut short a beginning. Whether it was all.
inline bool ExpectAnswer(Client& client, FakeRunner& runner) {
  Received& got = client.got;
  got.Take(client.outbox->Drain());
  EXPECT_EQ(got.ends.size(), 1u);
  EXPECT_FALSE(got.after_end);
  const Request& request = *client.request;
  const auto expected = runner.ExpectedOutput(request.prompt, request.sampling, request.eos_ids);
  const auto output = got.Output();
  const bool is_whole = !got.ends.empty() && (got.ends[0] == FinishReason::kLength ||
                                              got.ends[0] == FinishReason::kStop);
  if (is_whole) {
    EXPECT_EQ(output, expected);
  } else {
    EXPECT_TRUE(output.size() <= expected.size() &&
                std::equal(output.begin(), output.end(), expected.begin()));
  }
  return is_whole;
}

// Holds the engine thread inside a step until it is opened.
class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    ++num_arrived_;
    changed_.notify_all();
    changed_.wait_for(lock, kPatience, [&] { return open_; });
  }
  bool WaitForArrival() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return num_arrived_ > 0; });
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int num_arrived_ = 0;
  bool open_ = false;
};

inline Request Endless(uint64_t id) { return MakeRequest(id, 10, 490); }

}  // namespace tandem
