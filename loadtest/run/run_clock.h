#pragma once
// The time since the start of a run. Passed by reference, so that tests tell the time.

#include <chrono>

#include "loadtest/measure/request_record.h"

namespace tandem {

class RunClock {
 public:
  virtual ~RunClock() = default;
  virtual RequestRecord::Offset Now() const = 0;
};

class SteadyRunClock final : public RunClock {
 public:
  using Clock = std::chrono::steady_clock;

  void Start() { start_ = Clock::now(); }
  Clock::time_point start() const { return start_; }
  RequestRecord::Offset Now() const override { return Clock::now() - start_; }

 private:
  Clock::time_point start_ = Clock::now();
};

}  // namespace tandem
