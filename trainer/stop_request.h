#pragma once
// SIGINT and SIGTERM as a request to stop in good order. Make one before any other thread starts:
// threads inherit that the signals are blocked, and only the one in here sees them. The first
// signal is kept for whoever asks; from then on both have their usual meaning again, so that a
// second one ends the process at once.

#include <signal.h>

#include <atomic>
#include <optional>
#include <thread>

namespace tandem {

class StopRequest {
 public:
  // Throws DeviceError when the system gives no descriptors.
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  // The signal that came. Any thread.
  std::optional<int> signal() const;

 private:
  void Watch();

  sigset_t signals_{};
  sigset_t blocked_before_{};
  int signal_descriptor_ = -1;
  int end_descriptor_ = -1;  // readable once the watcher is to end
  std::atomic<int> came_{0};
  std::thread watcher_;
};

}  // namespace tandem
