#pragma once
// SIGTERM and SIGINT as something to wait for, and SIGHUP where it means to read files again. Make
// one before any thread starts: threads inherit that the signals are blocked, and so only Wait sees
// them.

#include <chrono>
#include <cstdint>

namespace tandem {

class StopSignals {
 public:
  enum class Reload : uint8_t { kNever, kOnHangUp };
  enum class Signal : uint8_t { kStop, kReload };

  // Also lets writes to a closed pipe fail instead of ending the process. Without a reload SIGHUP
  // keeps its usual meaning, the end: a terminal that closes takes its programs along.
  explicit StopSignals(Reload reload = Reload::kNever);

  Signal Wait() const;
  // False when none to stop came in time.
  bool WaitFor(std::chrono::milliseconds longest) const;

 private:
  Reload reload_;
};

}  // namespace tandem
