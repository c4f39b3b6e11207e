#pragma once
// An engine without a model: every request gets the bytes of one text as its tokens, one a step,
// from a thread of its own. Tests hold it in a phase and see what was cancelled in which.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/routes/completion_engine.h"
#include "tests/api/support/byte_tokenizer.h"

namespace tandem {

class FakeEngine : public CompletionEngine {
 public:
  // How far requests may go: each includes the ones before it.
  enum class Phase : uint8_t { kQueued, kPrefill, kDecode };

  struct Cancelled {
    RequestId id{};
    FinishReason reason{};
    int64_t num_tokens = 0;  // delivered before
  };

  FakeEngine() : thread_([this](const std::stop_token& stop) { Run(stop); }) {}
  ~FakeEngine() override {
    thread_.request_stop();
    thread_.join();
  }

  // Set before requests come.
  std::string text = "hello";  // then an end token
  bool endless = false;        // the text again and again, until max_tokens
  size_t max_requests = 1000;
  FinishReason fail_with = FinishReason::kStop;  // another: after the text, with `fail_message`
  std::string fail_message;
  int64_t num_cached = 0;
  std::chrono::microseconds step_time{20};

  void Allow(Phase phase) {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
    changed_.notify_all();
  }
  void SetHealthy(bool healthy) {
    const std::lock_guard lock(mutex_);
    healthy_ = healthy;
  }
  void SetDraining() {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }

  std::optional<Rejection> Submit(std::shared_ptr<const Request> request,
                                  std::shared_ptr<Outbox> outbox) override {
    const std::lock_guard lock(mutex_);
    if (draining_) return Rejection::kDraining;
    if (live_.size() >= max_requests) return Rejection::kQueueFull;
    const RequestId id = request->id;
    requests_.push_back(request);
    live_.emplace(id, Live{std::move(request), std::move(outbox)});
    changed_.notify_all();
    return std::nullopt;
  }

  void Cancel(RequestId id, FinishReason reason) override {
    const std::lock_guard lock(mutex_);
    const auto it = live_.find(id);
    if (it == live_.end()) return;
    cancelled_.push_back({id, reason, it->second.num_tokens});
    live_.erase(it);
    changed_.notify_all();
  }

  EngineStats Stats() const override {
    const std::lock_guard lock(mutex_);
    EngineStats stats;
    stats.num_running = static_cast<int64_t>(live_.size());
    stats.num_pages = 100;
    stats.num_free_pages = 60;
    stats.num_cached_pages = 15;
    stats.prompt_tokens = 1000;
    stats.busy_seconds = 1.0;
    stats.queue_seconds = 2.5;
    stats.num_queued_tokens = 2500;
    return stats;
  }

  bool Healthy() const override {
    const std::lock_guard lock(mutex_);
    return healthy_;
  }

  // False when `count` cancellations did not come within the time.
  bool WaitForCancelled(size_t count, std::chrono::seconds longest = std::chrono::seconds(5)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, longest, [&] { return cancelled_.size() >= count; });
  }
  bool WaitForLive(size_t count, std::chrono::seconds longest = std::chrono::seconds(5)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, longest, [&] { return live_.size() == count; });
  }
  std::vector<Cancelled> cancelled() const {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }
  std::vector<std::shared_ptr<const Request>> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  struct Live {
    std::shared_ptr<const Request> request;
    std::shared_ptr<Outbox> outbox;
    int64_t num_tokens = 0;
  };

  static ScoredToken Score(TokenId id, float logprob, const std::optional<int32_t>& alternatives) {
    ScoredToken scored{{id, logprob}, {}};
    if (!alternatives) return scored;
    for (int32_t i = 0; i < *alternatives; ++i) {
      scored.top.push_back({i == 0 ? id : TokenId{'A' + i}, logprob - static_cast<float>(i)});
    }
    return scored;
  }

  // The event after `num_tokens` tokens.
  TokenEvent Next(const Request& request, int64_t num_tokens) const {
    TokenEvent event;
    event.num_cached = num_cached;
    const SamplingParams& sampling = request.sampling;
    if (num_tokens == 0 && sampling.prompt_logprobs) {
      for (size_t i = 1; i < request.prompt.size(); ++i) {
        event.prompt.push_back(Score(request.prompt[i], -1.0f, sampling.prompt_logprobs));
      }
    }
    if (sampling.max_tokens == 0) {
      event.finish = FinishReason::kLength;
      return event;
    }
    const auto size = static_cast<int64_t>(text.size());
    if (num_tokens >= size && !endless && !sampling.ignore_eos) {
      event.finish = fail_with;
      if (fail_with == FinishReason::kStop) event.stop_token = ByteTokenizer::kEos;
      event.message = fail_message;
      return event;
    }
    const auto byte = static_cast<unsigned char>(text[static_cast<size_t>(num_tokens % size)]);
    event.token = Score(byte, -0.5f, sampling.logprobs);
    if (num_tokens + 1 >= sampling.max_tokens) event.finish = FinishReason::kLength;
    return event;
  }

  void Run(const std::stop_token& stop) {
    const std::stop_callback wake(stop, [this] { changed_.notify_all(); });
    while (!stop.stop_requested()) {
      std::vector<std::pair<std::shared_ptr<Outbox>, TokenEvent>> events;
      {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::milliseconds(100), [&] {
          return stop.stop_requested() || (phase_ == Phase::kDecode && !live_.empty());
        });
        if (phase_ != Phase::kDecode) continue;
        for (auto it = live_.begin(); it != live_.end();) {
          Live& live = it->second;
          events.emplace_back(live.outbox, Next(*live.request, live.num_tokens++));
          it = events.back().second.finish ? live_.erase(it) : std::next(it);
        }
        changed_.notify_all();
      }
      for (auto& [outbox, event] : events) outbox->Push(std::move(event));
      // A step takes time, in which others get the mutex.
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, step_time, [&] { return stop.stop_requested(); });
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Phase phase_ = Phase::kDecode;
  bool healthy_ = true;
  bool draining_ = false;
  std::map<RequestId, Live> live_;
  std::vector<Cancelled> cancelled_;
  std::vector<std::shared_ptr<const Request>> requests_;
  std::jthread thread_;  // last: uses the rest
};

}  // namespace tandem
