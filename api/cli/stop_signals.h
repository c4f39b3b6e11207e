#pragma once
// SIGTERM and SIGINT as something to wait for. Make one before any thread starts: threads inherit
// that the signals are blocked, and so only Wait sees them.

#include <chrono>

namespace tandem {

class StopSignals {
 public:
  StopSignals();  // also lets writes to a closed pipe fail instead of ending the process

  void Wait() const;
  // False when none came in time.
  bool WaitFor(std::chrono::milliseconds longest) const;
};

}  // namespace tandem
