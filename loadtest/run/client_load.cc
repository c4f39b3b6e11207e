#include "loadtest/run/client_load.h"

#include <sys/resource.h>

#include <algorithm>

namespace tandem {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double Share(double cpu_seconds, ClientLoad::Clock::duration wall) {
  const double seconds = std::chrono::duration<double>(wall).count();
  return seconds <= 0.0 ? 0.0 : cpu_seconds / seconds;
}

}  // namespace

// Of this thread: the run has no other.
ClientLoad::Moment ClientLoad::Now() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {.at = Clock::now(), .cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime)};
}

ClientLoad::ClientLoad() : start_(Now()), last_(start_) {}

void ClientLoad::Sample() {
  const Moment now = Now();
  const auto wall = now.at - last_.at;
  if (wall >= std::chrono::milliseconds(500)) {  // shorter ones say little
    peak_share_ = std::max(peak_share_, Share(now.cpu_seconds - last_.cpu_seconds, wall));
  }
  last_ = now;
}

double ClientLoad::mean_share() const {
  return Share(last_.cpu_seconds - start_.cpu_seconds, last_.at - start_.at);
}

}  // namespace tandem
