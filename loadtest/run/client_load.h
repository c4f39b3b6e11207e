#pragma once
// How busy this program itself is: a client without time to read makes any server look slow. Owned
// by a run; one thread.

#include <chrono>

namespace tandem {

class ClientLoad {
 public:
  using Clock = std::chrono::steady_clock;

  ClientLoad();
  void Sample();  // about once a second, and at the end

  // Of one core, user and system time together.
  double mean_share() const;
  double peak_share() const { return peak_share_; }  // of the busiest second

 private:
  struct Moment {
    Clock::time_point at;
    double cpu_seconds = 0.0;
  };
  static Moment Now();

  const Moment start_;
  Moment last_;
  double peak_share_ = 0.0;
};

// Above this, what is measured may be the client's own queueing.
inline constexpr double kBusyClientShare = 0.8;

}  // namespace tandem
