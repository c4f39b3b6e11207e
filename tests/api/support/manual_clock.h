#pragma once
// A clock that stands until it is told to move. The server's thread reads while the test moves it.

#include <atomic>
#include <chrono>
#include <functional>

namespace tandem {

class ManualClock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  void Move(std::chrono::milliseconds time) { milliseconds_ += time.count(); }
  std::function<TimePoint()> reader() const {
    return [this] { return TimePoint(std::chrono::milliseconds(milliseconds_.load())); };
  }

 private:
  std::atomic<int64_t> milliseconds_ = 1'000'000;
};

}  // namespace tandem
